package mcpserver

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/store"
)

const canary = "canary-5ecret"

// newApp has a local store with a few secrets.
func newApp(t *testing.T) *app.App {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if text, _ := os.ReadFile(log.Name()); strings.Contains(string(text), canary) {
			t.Errorf("the log has a value:\n%s", text)
		}
		_ = log.Close()
	})
	home := t.TempDir()
	a := &app.App{
		Stderr: log, Stdout: log, Now: time.Now, DefaultTimeout: app.ReadTimeout,
		Environ: []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "USER=ann", "AWS_EC2_METADATA_DISABLED=true", "AWS_SECRET_ACCESS_KEY=" + canary + "-key-of-aws", "COFFER_X=x"},
		Globals: &app.Globals{Backend: "local"},
	}
	s, err := a.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"api/db_password": canary + "-1", "api/tls_key": canary + "-line 1\n" + canary + "-line 2\n", "api/pin": "17", "API/db_password": canary + "-2", "web/token": canary + "-3",
	} {
		service, key, _ := strings.Cut(name, "/")
		if _, err := s.Write(t.Context(), store.ID{Service: service, Key: key}, store.NewValue(value), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// connect starts a server of the SDK's own client, over pipes.
func connect(t *testing.T, a *app.App, o Options) *mcp.ClientSession {
	t.Helper()
	if o.TimeLimit == 0 {
		o.TimeLimit = time.Minute
	}
	o.Mark = "***"
	in, toServer := io.Pipe()
	fromServer, out := io.Pipe()
	served := make(chan error, 1)
	go func() { served <- Serve(context.WithoutCancel(t.Context()), a, in, out, o) }()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, nil).Connect(t.Context(), &mcp.IOTransport{Reader: fromServer, Writer: toServer}, nil)
	if err != nil {
		t.Fatal(err, <-served)
	}
	t.Cleanup(func() {
		_ = session.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return session
}

// call calls a tool, and returns its answer, which has no value in any case.
func call(t *testing.T, session *mcp.ClientSession, tool string, arguments map[string]any) (*mcp.CallToolResult, string) {
	t.Helper()
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(answer), canary) {
		t.Errorf("%s %v tells a value: %s", tool, arguments, answer)
	}
	return result, result.Content[0].(*mcp.TextContent).Text
}

// runs runs a command that is to end by itself.
func runs(t *testing.T, session *mcp.ClientSession, argv ...string) (out runOutput) {
	t.Helper()
	result, text := call(t, session, "run", map[string]any{"command": argv})
	if err := json.Unmarshal([]byte(text), &out); err != nil || result.IsError {
		t.Fatalf("%q: %s", argv, text)
	}
	return out
}

type arguments = map[string]any

func TestAnAgentFindsNames(t *testing.T) {
	t.Parallel()
	session := connect(t, newApp(t), Options{})
	for _, c := range []struct {
		tool string
		in   arguments
		want string // a part of the answer
	}{
		{"services", arguments{}, `{"services":["API","api","web"]}`},
		{"services", arguments{"prefix": "we"}, `{"services":["web"]}`},
		{"services", arguments{"prefix": "x"}, `{"services":[]}`},
		{"keys", arguments{"service": "api"}, `{"keys":["db_password","pin","tls_key"],"service":"api"}`},
		{"keys", arguments{"service": "Web"}, `{"keys":["token"],"service":"web"}`},
		{"describe", arguments{"service": "WEB"}, `"created_by":"ann","key":"token","key_alias":"alias/default","version":1}],"service":"web"}`},
		{"describe", arguments{"service": "api", "key": "DB_PASSWORD"}, `"key":"db_password","key_alias":"alias/default","version":1}],"service":"api"}`},
	} {
		if result, text := call(t, session, c.tool, c.in); result.IsError || !strings.Contains(text, c.want) {
			t.Errorf("%s %v: %s", c.tool, c.in, text)
		}
	}
	for _, c := range []struct {
		tool string
		in   arguments
		want string
	}{
		{"keys", arguments{"service": "apo"}, `service "apo" has no secrets (nearest: "`},
		{"keys", arguments{"service": "Api"}, `service "Api" is ambiguous: API, api; use the exact name`},
		{"keys", arguments{"service": "../x"}, `".."`},
		{"describe", arguments{"service": "none"}, `service "none" has no secrets`},
		{"describe", arguments{"service": "api", "key": "nope"}, `no secret "nope" in service "api"`},
		{"describe", arguments{"service": "api", "key": "a\nb"}, `a\nb`},
		{"keys", arguments{}, `"service"`},
		{"keys", arguments{"service": "api", "value": true}, `"value"`},
	} {
		if result, text := call(t, session, c.tool, c.in); !result.IsError || !strings.Contains(text, c.want) {
			t.Errorf("%s %v: %s", c.tool, c.in, text)
		}
	}
}

func TestToolsSayWhatTheyDo(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	for _, allow := range [][]string{nil, {"make test", "npm run *"}} {
		tools, err := connect(t, a, Options{Services: []string{"api"}, Allow: allow}).ListTools(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, tool := range tools.Tools {
			names = append(names, tool.Name)
			hints := tool.Annotations
			if read := tool.Name != "run"; hints.ReadOnlyHint != read || hints.IdempotentHint != read || *hints.OpenWorldHint == read || (hints.DestructiveHint == nil) != read {
				t.Errorf("%s: %+v", tool.Name, hints)
			}
			if tool.Name == "run" && !strings.Contains(tool.Description, "make test; npm run *") {
				t.Error(tool.Description)
			}
			for _, schema := range []any{tool.InputSchema, tool.OutputSchema} {
				text, _ := json.Marshal(schema)
				if strings.Contains(string(text), "null") || !strings.Contains(string(text), `"description"`) {
					t.Errorf("%s: %s", tool.Name, text)
				}
			}
		}
		want := []string{"describe", "keys", "run", "services"}
		if allow == nil {
			want = []string{"describe", "keys", "services"}
		}
		if !slices.Equal(names, want) {
			t.Errorf("%v, not %v", names, want)
		}
	}
}

// TestALimitedServerHasNoOtherService: not one whose name differs just in case either.
func TestALimitedServerHasNoOtherService(t *testing.T) {
	t.Parallel()
	session := connect(t, newApp(t), Options{Services: []string{"api", "gone"}, Allow: []string{"sh -c *"}})
	if _, text := call(t, session, "services", arguments{}); text != `{"services":["api"]}` {
		t.Error(text)
	}
	for _, tool := range []string{"keys", "describe"} {
		if result, text := call(t, session, tool, arguments{"service": "web"}); !result.IsError || text != `this server has no service "web", only api, gone` {
			t.Error(text)
		}
		if result, text := call(t, session, tool, arguments{"service": "API"}); result.IsError || !strings.HasSuffix(text, `"service":"api"}`) {
			t.Error(text)
		}
	}
	if result, text := call(t, session, "run", arguments{"command": []string{"sh", "-c", "true"}}); !result.IsError || !strings.HasPrefix(text, `service "gone" has no secrets`) {
		t.Error(text)
	}
}
