#!/usr/bin/env bash
# go.yaml.in/yaml v4.0.0, a reader of YAML 1.2, refuses a file that says so: "%YAML 1.2" is an
# incompatible document to it and "%YAML 1.1" is not. js-yaml and yaml of npm take both. Seen on 2026-11-28, a line for each version and reader:
#
#	1.1 go-yaml-v4.0.0 x
#	1.1 js-yaml-5.5.0 x
#	1.1 yaml-2.9.1 x
#	1.2 go-yaml-v4.0.0 yaml: line 1: found incompatible YAML document
#	1.2 js-yaml-5.5.0 x
#	1.2 yaml-2.9.1 x
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --ignore-scripts --no-package-lock js-yaml@5.5.0 yaml@2.9.1
cat >go.mod <<'MOD'
module header
go 1.26.0
require go.yaml.in/yaml/v4 v4.0.0
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v4"
)

func main() {
	body, _ := io.ReadAll(os.Stdin)
	var v map[string]string
	if err := yaml.Unmarshal(body, &v); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(v["a"])
}
GO
GOMODCACHE=$dir/mod GOFLAGS=-mod=mod go build -o header .
for version in 1.1 1.2; do
	printf '%%YAML %s\n---\na: x\n' "$version" >doc
	echo "$version go-yaml-v4.0.0 $(./header <doc)"
	echo "$version js-yaml-5.5.0 $(node -e 'console.log(require("js-yaml").load(require("fs").readFileSync(0, "utf8")).a)' <doc)"
	echo "$version yaml-2.9.1 $(node -e 'console.log(require("yaml").parse(require("fs").readFileSync(0, "utf8")).a)' <doc)"
done | tee got
cat >want <<'WANT'
1.1 go-yaml-v4.0.0 x
1.1 js-yaml-5.5.0 x
1.1 yaml-2.9.1 x
1.2 go-yaml-v4.0.0 yaml: line 1: found incompatible YAML document
1.2 js-yaml-5.5.0 x
1.2 yaml-2.9.1 x
WANT
diff want got
