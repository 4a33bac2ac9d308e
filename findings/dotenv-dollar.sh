#!/usr/bin/env bash
# A password with "$" and a letter has no spelling in a .env file that npm's dotenv and vite, or
# next, read alike: those two expand variables after parsing, when the quotes are forgotten. The
# backslash that is their escape is none to dotenv.
#
# Seen on 2026-11-28 with node v20.20.2, dotenv 18.0.10, vite 8.3.8, @next/env 16.4.6:
#
#	written     dotenv    vite     next
#	'pa$word'   pa$word   pa       pa
#	"pa$word"   pa$word   pa       pa
#	`pa$word`   pa$word   pa       pa
#	pa$word     pa$word   pa       pa
#	'pa\$word'  pa\$word  pa$word  pa$word
#	"pa\$word"  pa\$word  pa$word  pa$word
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --ignore-scripts --no-package-lock dotenv@18.0.10 vite@8.3.8 @next/env@16.4.6
cat >read.mjs <<'JS'
import { writeFileSync } from "node:fs";
import dotenv from "dotenv";
import next from "@next/env";
import { loadEnv } from "vite";
const spellings = ["'pa$word'", '"pa$word"', "`pa$word`", "pa$word", "'pa\\$word'", '"pa\\$word"'];
for (const text of spellings) {
  delete process.env.VITE_P; // next sets it, and vite prefers it to the file
  writeFileSync(".env", "VITE_P=" + text + "\n");
  const quiet = { info() {}, error() {} };
  const row = [dotenv.parse("VITE_P=" + text).VITE_P, loadEnv("production", ".").VITE_P, next.loadEnvConfig(".", false, quiet, true).parsedEnv.VITE_P];
  console.log([text, ...row].join("\t"));
}
JS
echo "node $(node --version), dotenv 18.0.10, vite 8.3.8, @next/env 16.4.6"
printf 'written\tdotenv\tvite\tnext\n'
node read.mjs | tee got
cat >want <<'WANT'
'pa$word'	pa$word	pa	pa
"pa$word"	pa$word	pa	pa
`pa$word`	pa$word	pa	pa
pa$word	pa$word	pa	pa
'pa\$word'	pa\$word	pa$word	pa$word
"pa\$word"	pa\$word	pa$word	pa$word
WANT
diff want got
