#!/usr/bin/env bash
# age encrypts a file to 1,025 recipients, says nothing and ends with exit code 0. It can't decrypt that
# file: its reader takes 1,024 recipients at most, its writer any number. npm's age-encryption still
# reads it.
#
# Seen on 2026-11-28 with age v1.3.2, node v20.20.2, age-encryption 0.3.1:
#
#	1024 recipients: encrypted (exit code 0), age decrypts (0), age-encryption decrypts (0)
#	1025 recipients: encrypted (exit code 0), age decrypts (1), age-encryption decrypts (0)
#	age: error: failed to read header: parsing age header: header contains more than 1024 recipient stanzas
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
GOBIN=$dir go install filippo.io/age/cmd/age@v1.3.2 filippo.io/age/cmd/age-keygen@v1.3.2
npm install --silent --no-audit --no-fund --ignore-scripts --no-package-lock age-encryption@0.3.1
cat >decrypt.mjs <<'JS'
import { readFileSync } from "node:fs";
import { Decrypter } from "age-encryption";
const d = new Decrypter();
d.addIdentity(readFileSync("own.txt", "utf8").match(/AGE-SECRET-KEY-1\S+/)[0]);
process.stdout.write(await d.decrypt(readFileSync(process.argv[2]), "text"));
JS
for _ in {1..1025}; do ./age-keygen 2>/dev/null; done >keys.txt
sed -n 's/^# public key: //p' keys.txt >recipients.txt
./age-keygen -o own.txt 2>/dev/null
echo "age $(./age --version), node $(node --version), age-encryption 0.3.1"
for n in 1024 1025; do
	{ ./age-keygen -y own.txt; head -n $((n - 1)) recipients.txt; } >to.txt
	encrypted=0 age=0 npm=0
	echo secret | ./age -R to.txt -o file.age || encrypted=$?
	./age -d -i own.txt file.age >one 2>error || age=$?
	node decrypt.mjs file.age >two || npm=$?
	echo "$n recipients: encrypted (exit code $encrypted), age decrypts ($age), age-encryption decrypts ($npm)"
done | tee got
sed -n 1p error | tee -a got
cat >want <<'WANT'
1024 recipients: encrypted (exit code 0), age decrypts (0), age-encryption decrypts (0)
1025 recipients: encrypted (exit code 0), age decrypts (1), age-encryption decrypts (0)
age: error: failed to read header: parsing age header: header contains more than 1024 recipient stanzas
WANT
diff want got
