#!/usr/bin/env bash
# age refuses to encrypt a file to a post-quantum recipient and another one, since it would be as weak as
# the other. npm's age-encryption, by the same author, writes such a file without a word, and age
# decrypts it with either key. So a post-quantum recipient in a file's header doesn't mean that the file
# is safe.
#
# Seen on 2026-11-28 with age v1.3.2, node v20.20.2, age-encryption 0.3.1:
#
#	age encrypts: exit code 1
#	age: error: incompatible recipients: can't mix post-quantum and classic recipients, or the file would be vulnerable to quantum computers
#	age-encryption encrypts: exit code 0
#	age decrypts with the post-quantum key: secret
#	age decrypts with the other key: secret
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
GOBIN=$dir go install filippo.io/age/cmd/age@v1.3.2 filippo.io/age/cmd/age-keygen@v1.3.2
npm install --silent --no-audit --no-fund --ignore-scripts --no-package-lock age-encryption@0.3.1
cat >encrypt.mjs <<'JS'
import { writeFileSync } from "node:fs";
import { Encrypter } from "age-encryption";
const e = new Encrypter();
for (const recipient of process.argv.slice(2)) e.addRecipient(recipient);
writeFileSync("file.age", await e.encrypt("secret\n"));
JS
./age-keygen -pq -o hybrid.txt 2>/dev/null
./age-keygen -o classic.txt 2>/dev/null
hybrid=$(./age-keygen -y hybrid.txt) classic=$(./age-keygen -y classic.txt)
echo "age $(./age --version), node $(node --version), age-encryption 0.3.1"
{
	code=0
	echo secret | ./age -r "$hybrid" -r "$classic" -o refused.age 2>error || code=$?
	echo "age encrypts: exit code $code"
	sed -n 1p error
	code=0
	node encrypt.mjs "$hybrid" "$classic" || code=$?
	echo "age-encryption encrypts: exit code $code"
	echo "age decrypts with the post-quantum key: $(./age -d -i hybrid.txt file.age)"
	echo "age decrypts with the other key: $(./age -d -i classic.txt file.age)"
} | tee got
cat >want <<'WANT'
age encrypts: exit code 1
age: error: incompatible recipients: can't mix post-quantum and classic recipients, or the file would be vulnerable to quantum computers
age-encryption encrypts: exit code 0
age decrypts with the post-quantum key: secret
age decrypts with the other key: secret
WANT
diff want got
