#!/usr/bin/env bash
# A server made with the Go SDK of the Model Context Protocol drops requests when its input ends right
# behind them: "server <requests" answers none, or some, by chance. The end of input cancels what was read
# before it and isn't answered yet. A server made with the TypeScript SDK answers all of it.
#
# Seen on 2026-11-28 with go1.26.8 linux/amd64, go-sdk v1.8.0, node v20.20.2, @modelcontextprotocol/sdk
# 1.32.2, two requests, 20 runs each. Fewer than 20 of the first is what this script expects.
#
#	go-sdk v1.8.0: both requests answered in 0 of 20 runs
#	sdk 1.32.2 (npm): both requests answered in 20 of 20 runs
set -euo pipefail
npm_version=1.32.2
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
cat >requests <<'JSON'
{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
{"jsonrpc":"2.0","id":2,"method":"tools/list"}
JSON

cat >main.go <<'GO'
package main

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type empty struct{}

func main() {
	s := mcp.NewServer(&mcp.Implementation{Name: "server", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "nothing"}, func(context.Context, *mcp.CallToolRequest, empty) (*mcp.CallToolResult, any, error) {
		return nil, nil, nil
	})
	if err := s.Run(context.Background(), &mcp.StdioTransport{}); err != nil {
		panic(err)
	}
}
GO
go mod init server 2>/dev/null
go get github.com/modelcontextprotocol/go-sdk/mcp@v1.8.0 2>/dev/null
CGO_ENABLED=0 go build -o server .

npm install --silent --no-audit --no-fund --ignore-scripts --no-package-lock "@modelcontextprotocol/sdk@$npm_version"
cat >server.mjs <<'JS'
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
const server = new McpServer({ name: "server", version: "1" });
server.registerTool("nothing", {}, async () => ({ content: [] }));
await server.connect(new StdioServerTransport());
JS

# answered NAME COMMAND...: in how many of 20 runs both requests are answered
answered() {
	local name=$1 both=0
	shift
	for _ in $(seq 20); do
		if [[ $("$@" <requests | grep -c '"id":[12]') == 2 ]]; then
			both=$((both + 1))
		fi
	done
	echo "$name: both requests answered in $both of 20 runs"
}
go version
answered "go-sdk v1.8.0" ./server | tee go
answered "sdk $npm_version (npm)" node server.mjs | tee npm
grep -q "in 20 of 20" npm
if grep -q "in 20 of 20" go; then
	echo "the Go SDK answers, too" >&2
	exit 1
fi
