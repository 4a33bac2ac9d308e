#!/usr/bin/env bash
# A program that imports the client of AWS Systems Manager of aws-sdk-go-v2 builds the schemas of all
# its operations before main.main, whether it makes a client or not: v1.82.1 makes 8,000 allocations and
# 1.4 MB more than v1.79.3. Go collects garbage for the first time at 4 MB: with the tables of other
# clients that comes before main.main, in every start of a command line tool.
#
# Seen on 2026-11-28 with go1.26.8 linux/amd64, allocations and bytes of the packages of service/ssm:
#
#	v1.79.3    686     82,528
#	v1.82.1  8,712  1,522,560
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
cat >main.go <<'GO'
package main

import _ "github.com/aws/aws-sdk-go-v2/service/ssm"

func main() {}
GO
go version
for version in v1.79.3 v1.82.1; do
	rm -f go.mod go.sum
	go mod init tables 2>/dev/null
	go get "github.com/aws/aws-sdk-go-v2/service/ssm@$version" 2>/dev/null
	CGO_ENABLED=0 go build -o tables .
	GODEBUG=inittrace=1 ./tables 2>&1 | awk -v version="$version" '
		/service\/ssm/ { bytes += $(NF - 3); allocations += $(NF - 1) }
		END { print version, allocations, bytes }'
done | tee got
# The counts depend on Go's version, the difference hardly does.
awk 'NR == 1 && $2 < 1500 { low = 1 } NR == 2 && $2 > 7000 && $3 > 1000000 { high = 1 } END { exit !(low && high) }' got
