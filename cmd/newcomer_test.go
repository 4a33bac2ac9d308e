//go:build unix

package cmd_test

import (
	"strings"
	"testing"
)

func TestAnEditorThatCannotStartIsNamed(t *testing.T) {
	t.Parallel()
	b := onDisk(t)
	b.do("write api key -", canary)
	file := b.scratch("file", "no program")
	for _, test := range []struct{ env, reason, hint string }{
		{"EDITOR=vimx", `"vimx": program not found`, "set EDITOR to"},
		{"EDITOR=vimx --wait", `"vimx --wait": program not found`, "set EDITOR to"},
		{"EDITOR='vimx'", `"'vimx'": program not found`, "set EDITOR to"}, // through a shell
		{"VISUAL=/nowhere/vim", `"/nowhere/vim": program not found`, "set VISUAL to"},
		{"EDITOR=" + file, `"` + file + `": permission denied`, "set EDITOR to"},
	} {
		run := &bench{T: t, env: append(b.env, "VISUAL=", test.env)}
		if got := run.run("edit api --yes", ""); got.exit != 7 || !strings.Contains(got.stderr, "coffer: can't start the editor "+test.reason+"\n  "+test.hint) {
			t.Errorf("%s: %+v", test.env, got)
		}
	}
}

// A value that can't be used is refused by every backend: with 2 from a flag, and with 7 from elsewhere.
func TestSettingsThatCannotBeUsedAreRefusedEverywhere(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, value, why string }{
		{"retries", "abc", `"abc" is not a number of attempts`},
		{"retries", "-1", `"-1" is not a number of attempts`},
		{"retry_mode", "often", `"often" is neither standard nor adaptive`},
		{"timeout", "soon", `"soon" is not a duration such as 30s or 2m`},
	} {
		for _, backend := range append(backendsOnAWS, "local", "null") {
			b := atEndpoint(t, "http://127.0.0.1:1", "COFFER_BACKEND="+backend, "COFFER_RETRIES=", "COFFER_TIMEOUT=")
			flag := "--" + strings.ReplaceAll(test.name, "_", "-")
			file := b.scratch("config.yaml", test.name+": "+test.value+"\n")
			for _, way := range []struct {
				env, flags, from string
				exit             int
			}{
				{"A=b", flag + "=" + test.value, flag + ": ", 2},
				{"COFFER_" + strings.ToUpper(test.name) + "=" + test.value, "", "$COFFER_" + strings.ToUpper(test.name) + ": ", 7},
				{"A=b", "--config " + file, file + ": " + test.name + ": ", 7},
			} {
				run := &bench{T: t, env: append(b.env, way.env)}
				if got := run.run("list api "+way.flags, ""); got.exit != way.exit || got.stderr != "coffer: "+way.from+test.why+"\n" {
					t.Errorf("%s with %q %q: %+v", backend, way.env, way.flags, got)
				}
			}
		}
	}
}

// An endpoint that is no URL is repeated, without its user and password.
func TestAnEndpointThatIsNoURLIsRepeated(t *testing.T) {
	t.Parallel()
	const form = "an endpoint is https:// or http://, followed by a host"
	for endpoint, want := range map[string][2]string{
		"127.0.0.1:5877":  {"127.0.0.1:5877", "write it as http://127.0.0.1:5877"},
		"localhost:9000":  {"localhost:9000", "write it as http://localhost:9000"},
		"minio.lan:9000":  {"minio.lan:9000", "write it as https://minio.lan:9000"},
		"nonsense":        {"nonsense", form},
		"ftp://minio.lan": {"ftp://minio.lan", form},
		"ann:" + canaryPassword + "@minio.lan:9000": {"minio.lan:9000", "write it as https://minio.lan:9000"},
		"http://ann:%" + canaryPassword + "@minio":  {"http://minio", form},
		"http:/ann:" + canaryPassword + "@minio":    {"minio", form},
		canaryKey:                                   {"[hidden]", form},
	} {
		got := atEndpoint(t, endpoint).run("list api", "")
		if got.exit != 7 || got.stderr != "coffer: the S3 endpoint \""+want[0]+"\" is not an http or https URL\n  "+want[1]+"\n" {
			t.Errorf("%s: %+v", endpoint, got)
		}
	}
}

// A server that isn't reached has a hint with the setting that names it, where that is known.
func TestAServerThatIsNotReachedHasAHint(t *testing.T) {
	t.Parallel()
	nobody := closed(t)
	url := "http://" + nobody
	for _, test := range []struct{ env, line, hint string }{
		{"A=b", "list api --endpoint-url " + url, "the endpoint (--endpoint-url)"},
		{"COFFER_ENDPOINT_URL=" + url, "list api", "the endpoint ($COFFER_ENDPOINT_URL)"},
		{"COFFER_ENDPOINT_URL=" + url, "write api key -", "the endpoint ($COFFER_ENDPOINT_URL)"},
		{"AWS_ENDPOINT_URL_S3=" + url, "list api", "the endpoint (COFFER_ENDPOINT_URL, AWS_ENDPOINT_URL or that of the service)"},
	} {
		for _, backend := range []string{"s3-kms", "s3"} {
			b := atEndpoint(t, "", "COFFER_BACKEND="+backend, "COFFER_RETRIES=1", test.env)
			if got := b.run(test.line, canary); got.exit != 6 || !strings.Contains(got.stderr, "no answer from "+nobody) ||
				!strings.HasSuffix(got.stderr, "\n  check that the server is running, and "+test.hint+"\n") {
				t.Errorf("%s on %s with %s: %+v", test.line, backend, test.env, got)
			}
		}
	}
}

func TestAServiceAndAKeyInOneWordAreSplit(t *testing.T) {
	t.Parallel()
	b := onDisk(t)
	for line, want := range map[string]string{
		"read api/db_password":    "coffer read api db_password",
		"get a/b/key -q":          "coffer read a/b key",
		"write api/db_password":   "coffer write api db_password",
		"history api/db_password": "coffer history api db_password",
	} {
		if got := b.run(line, canary); got.exit != 2 || got.stderr != "coffer: missing argument: KEY\n  did you mean: "+want+"\n" {
			t.Errorf("coffer %s: %+v", line, got)
		}
	}
}
