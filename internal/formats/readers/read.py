# Reads files as a library of Python does; prints what read.mjs prints.
#
#	python3 read.py READER FILE...
import json
import sys


def dotenv(file):
    import dotenv

    return dotenv.dotenv_values(file)


def yaml(file):
    import yaml

    with open(file, "rb") as f:
        return yaml.safe_load(f)


reader = {"dotenv": dotenv, "yaml": yaml}[sys.argv[1]]
answers = []
for file in sys.argv[2:]:
    try:
        answers.append({"value": reader(file)})
    except Exception as e:
        answers.append({"error": str(e)})
json.dump(answers, sys.stdout, default=str)
