//go:build unix

package cmd_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Credentials in the forms that AWS gives them. Each contains CANARY, and no output may.
const (
	canaryKey      = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYCANARYKEY1"
	canaryPassword = "hunterCANARYpassword"
	canaryJWT      = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJtZSIsIkNBTkFSWSI6MX0.c2lnLUNBTkFSWS1DQU5BUlk"
)

var canaryToken = "IQoJb3JpZ2luX2VjCANARYtoken0" + strings.Repeat("Aa1CANARY", 40)

// shows returns what of the credentials a text shows.
func shows(text string) []string {
	var found []string
	for _, part := range []string{"CANARY", canaryKey[:12], canaryToken[:12], canaryPassword[:10], "c2lnLUNBTkFSWS1DQU5BUlk", "eyJpc3MiOiJt"} {
		if strings.Contains(text, part) {
			found = append(found, part)
		}
	}
	return found
}

// echo is a server that refuses, and repeats in its message all that it was sent and more.
func echo(status int, contentType string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		text := fmt.Sprintf("Authorization: %s; X-Amz-Security-Token: %s; SecretAccessKey=%s; key %s; token %s; Bearer %s; jwt %s; "+
			"http://ann:%s@x/?X-Amz-Signature=CANARYsignature; body %s",
			r.Header.Get("Authorization")+"CANARY", r.Header.Get("X-Amz-Security-Token"), canaryKey, canaryKey, canaryToken, canaryToken, canaryJWT, canaryPassword, body)
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Location", "https://elsewhere.invalid/b?X-Amz-Signature=CANARY&X-Amz-Security-Token="+canaryToken)
		w.WriteHeader(status)
		switch {
		case strings.Contains(contentType, "json"):
			_ = json.NewEncoder(w).Encode(map[string]string{"__type": "ValidationException", "message": text})
		case strings.Contains(contentType, "xml"):
			escaped := strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(text)
			_, _ = fmt.Fprintf(w, "<Error><Code>InvalidRequest</Code><Message>%s</Message></Error>", escaped)
		default:
			_, _ = fmt.Fprintf(w, "<html><body>%s", text)
		}
	}
}

// TestNoCredentialInForeignText has every place where a helper program, a server or a configuration
// can put a credential put one there.
func TestNoCredentialInForeignText(t *testing.T) {
	t.Parallel()
	nobody := closed(t)
	own := []string{"AWS_SECRET_ACCESS_KEY=" + canaryKey, "AWS_SESSION_TOKEN=" + canaryToken}
	none := []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}
	places := placesOfSettings(t, nobody)
	for kind, status := range map[string]int{"application/x-amz-json-1.1": 400, "application/xml": 400, "text/html": 403} {
		server := httptest.NewServer(echo(status, kind))
		t.Cleanup(server.Close)
		at := func(variable string) []string { return slices.Concat(own, []string{variable + "=" + server.URL}) }
		for _, backend := range backendsOnAWS {
			for _, line := range []string{"list api", "exec api -- true", "write api key -", "delete api key", "doctor", "keys", "policy check reader api", "init --yes", "share api key"} {
				places[kind+" from "+backend+": "+line] = place{line, append(at("COFFER_ENDPOINT_URL"), "COFFER_BACKEND="+backend)}
			}
		}
		places[kind+" from STS"] = place{"whoami", at("AWS_ENDPOINT_URL_STS")}
		places[kind+" from CloudTrail"] = place{"audit api --cloudtrail", at("AWS_ENDPOINT_URL_CLOUDTRAIL")}
		places[kind+" for a web identity"] = place{"list api", slices.Concat(none, []string{
			"AWS_ROLE_ARN=arn:aws:iam::123456789012:role/r", "AWS_WEB_IDENTITY_TOKEN_FILE=" + file(t, "token", canaryJWT), "AWS_ENDPOINT_URL_STS=" + server.URL,
		})}
		places[kind+" for a container"] = place{"list api", slices.Concat(none, []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + server.URL, "AWS_CONTAINER_AUTHORIZATION_TOKEN=" + canaryToken})}
	}
	redirect := httptest.NewServer(echo(http.StatusTemporaryRedirect, "application/xml"))
	t.Cleanup(redirect.Close)
	places["a redirect"] = place{"list api", append(own, "COFFER_ENDPOINT_URL="+redirect.URL)}
	for name, p := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := atEndpoint(t, "http://"+nobody, slices.Concat([]string{"COFFER_RETRIES=1"}, p.env)...)
			got := b.run(p.line, "valueCANARYvalue")
			if found := shows(got.stdout + got.stderr); found != nil {
				t.Errorf("coffer %s shows %q: %+v", p.line, found, got)
			}
			if got.exit == 0 && got.stdout == "" {
				t.Errorf("coffer %s told nothing: %+v", p.line, got)
			}
		})
	}
}

// place is a command, and the environment in which somebody has put a credential where it doesn't
// belong.
type place struct {
	line string
	env  []string
}

func placesOfSettings(t *testing.T, nobody string) map[string]place {
	t.Helper()
	shown := []string{
		"COFFER_ENDPOINT_URL=http://ann:" + canaryPassword + "@" + nobody, "AWS_ENDPOINT_URL_STS=http://ann:" + canaryPassword + "@" + nobody,
		"AWS_ENDPOINT_URL_KMS=http://ann:" + canaryPassword + "@" + nobody, "AWS_ACCESS_KEY_ID=" + canaryKey, "COFFER_AWS_REGION=" + canaryKey, "AWS_PROFILE=",
		"COFFER_KMS_KEY_ALIAS=" + canaryToken, "COFFER_S3_BUCKET=" + canaryJWT,
	}
	return map[string]place{
		"config":                             {"config", shown},
		"config --json":                      {"config --json", shown},
		"config of flags":                    {"config --region " + canaryKey + " --profile " + canaryKey + " --endpoint-url http://ann:" + canaryPassword + "@" + nobody, nil},
		"config of a file":                   {"config --config " + file(t, "config.yaml", "region: "+canaryKey+"\nendpoint_url: http://ann:"+canaryPassword+"@"+nobody+"\n"), []string{"COFFER_ENDPOINT_URL="}},
		"the secret as the id, in a log":     {"list api --verbose", []string{"AWS_ACCESS_KEY_ID=" + canaryKey}},
		"a password in the log":              {"list api --verbose", []string{"COFFER_ENDPOINT_URL=http://ann:" + canaryPassword + "@" + nobody}},
		"the secret as the bucket, in a log": {"list api --verbose", []string{"COFFER_S3_BUCKET=" + canaryKey}},
		"a password in the endpoint":         {"list api", []string{"COFFER_ENDPOINT_URL=http://ann:" + canaryPassword + "@" + nobody}},
		"a password in the proxy":            {"list api", []string{"COFFER_ENDPOINT_URL=", "HTTPS_PROXY=http://ann:" + canaryPassword + "@" + nobody}},
		"a password in the STS":              {"whoami", []string{"AWS_ENDPOINT_URL_STS=http://ann:" + canaryPassword + "@" + nobody}},
		"a password in CloudTrail's":         {"audit api --cloudtrail", []string{"AWS_ENDPOINT_URL_CLOUDTRAIL=http://ann:" + canaryPassword + "@" + nobody}},
		"the secret as the id":               {"whoami", []string{"AWS_ACCESS_KEY_ID=" + canaryKey}},
		"the secret as the region":           {"list api", []string{"AWS_REGION=" + canaryKey, "COFFER_ENDPOINT_URL="}},
		"the secret as the profile":          {"list api", []string{"AWS_PROFILE=" + canaryKey}},
		"the secret as the timeout":          {"list api", []string{"COFFER_TIMEOUT=" + canaryKey}},
		"the secret as the attempts":         {"list api", []string{"COFFER_RETRIES=" + canaryKey}},
		"the secret as the backend":          {"list api", []string{"COFFER_BACKEND=" + canaryKey}},
		"the secret as the alias":            {"write api key -", []string{"COFFER_KMS_KEY_ALIAS=" + canaryKey}},
		"the secret as the endpoint":         {"list api", []string{"COFFER_ENDPOINT_URL=" + canaryKey}},
		"the secret as the bucket":           {"list api", []string{"COFFER_S3_BUCKET=" + canaryKey}},
		"the secret as the retry mode":       {"list api", []string{"AWS_RETRY_MODE=" + canaryKey}},
		"a process that prints no JSON":      {"list api", helper(t, "[default]\ncredential_process = echo "+canaryKey+" "+canaryToken)},
		"a process that prints half":         {"list api", helper(t, `[default]`+"\n"+`credential_process = echo '{"Version": 1, "AccessKeyId": "x", "SecretAccessKey": "`+canaryKey+`", '`)},
		"a process that prints too much":     {"list api", helper(t, `[default]`+"\n"+`credential_process = echo '{"Version": 2, "SecretAccessKey": "`+canaryKey+`"}'`)},
		"a line of the AWS configuration":    {"list api", helper(t, "[default]\naws_secret_access_key "+canaryKey+"\n")},
		"a duration that is the secret":      {"list api", helper(t, "[default]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = default\nduration_seconds = "+canaryKey+"\n")},
		"our configuration":                  {"list api --config " + file(t, "config.yaml", "bucket: b\nsecret_access_key: "+canaryKey+"\n"), nil},
		"our configuration, no YAML":         {"list api --config " + file(t, "config.yaml", "bucket: b\n\t"+canaryKey+": [\n"), nil},
		"our configuration, another type":    {"list api --config " + file(t, "config.yaml", "contexts: "+canaryKey+"\n"), nil},
	}
}

// helper is the environment of a profile.
func helper(t *testing.T, profiles string) []string {
	t.Helper()
	return []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_CONFIG_FILE=" + file(t, "config", profiles)}
}

func file(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestForeignErrorTextComesSecond: our sentence first, and theirs behind it, on one line and cut.
func TestForeignErrorTextComesSecond(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("their words\r\n\x1b[31m", 100)
	for kind, body := range map[string]string{
		"application/xml":            "<Error><Code>InvalidRequest</Code><Message>" + strings.ReplaceAll(long, "\x1b", "") + "</Message></Error>",
		"application/x-amz-json-1.1": `{"__type":"ValidationException","message":` + string(must(json.Marshal(long))) + `}`,
		"text/html":                  "<html>" + long,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(server.Close)
		for _, backend := range backendsOnAWS {
			for _, line := range []string{"list api", "write api key -", "delete api key"} {
				t.Run(kind+" from "+backend+": "+line, func(t *testing.T) {
					t.Parallel()
					got := atEndpoint(t, server.URL, "COFFER_BACKEND="+backend, "COFFER_RETRIES=1").run(line, canary)
					first, _, _ := strings.Cut(got.stderr, "\n")
					own, _, _ := strings.Cut(first, "their words")
					if got.exit == 0 || !strings.HasPrefix(first, "coffer: ") || !strings.Contains(own, "api") ||
						len(first) > 480 || strings.Contains(first, "\x1b") || strings.Contains(first, "operation error") || strings.Contains(first, "StatusCode") || strings.Contains(first, "deserializ") {
						t.Errorf("%+v", got)
					}
				})
			}
		}
	}
}

func must(text []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return text
}
