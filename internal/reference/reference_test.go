package reference

import (
	"errors"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store"
)

func TestAReferenceNamesASecretOrAVersionOfIt(t *testing.T) {
	for text, want := range map[string]Reference{
		"coffer://api/db_password":             {Service: "api", Key: "db_password"},
		"coffer://API/DB_Password":             {Service: "API", Key: "DB_Password"},
		"coffer://team/api/prod/db.password":   {Service: "team/api/prod", Key: "db.password"},
		"coffer://api/db_password?version=7":   {Service: "api", Key: "db_password", Version: 7},
		"coffer://api:prod/key":                {Service: "api", Label: "prod", Key: "key"},
		"coffer://rds!cluster-3f/password":     {Service: "rds!cluster-3f", Key: "password"},
		"coffer://rds%21cluster-3f/password":   {Service: "rds!cluster-3f", Key: "password"},
		"coffer://%61pi/%6Bey?version=0000012": {Service: "api", Key: "key", Version: 12},
	} {
		got, err := Parse(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestAMalformedReferenceIsRefusedWithTheReason(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "begins with coffer://",
		"api/key":                              "begins with coffer://",
		"coffer:/api/key":                      "begins with coffer://",
		"COFFER://api/key":                     "begins with coffer://",
		"coffer://":                            "SERVICE/KEY",
		"coffer://api":                         "SERVICE/KEY",
		"coffer://api/":                        "the key name is empty",
		"coffer:///key":                        "the service name is empty",
		"coffer:///api/key":                    `begins with "/"`,
		"coffer://api//key":                    `ends with "/"`,
		"coffer://api/../key":                  "not a valid name",
		"coffer://api/%2e%2e":                  "not a valid name",
		"coffer://api/a%2Fb":                   "no name has a /",
		"coffer://api/__index":                 "reserved",
		"coffer://api/a%0Ab":                   "not allowed",
		"coffer://api/a%zz":                    "hexadecimal",
		"coffer://api/key#part":                "fragment",
		"coffer://api/key?":                    "not a parameter",
		"coffer://api/key?v=7":                 `"v" is not a parameter`,
		"coffer://api/key?version":             "not a number",
		"coffer://api/key?version=0":           "not a number",
		"coffer://api/key?version=-1":          "not a number",
		"coffer://api/key?version=+1":          "not a number",
		"coffer://api/key?version=1.0":         "not a number",
		"coffer://api/key?version=1&x=2":       `"x" is not a parameter`,
		"coffer://api/key?version=1&version=1": "twice",
		"coffer://api/key?version=99999999999999999999":          "not a number",
		"coffer://api:prod/key?version=1":                        "can't be used together",
		"coffer://api:/key":                                      "nor service:label",
		"coffer://api:a:b/key":                                   "nor service:label",
		"coffer://arn:aws:secretsmanager:eu-west-1:1:secret:x/k": "is an ARN",
		"coffer://api/" + strings.Repeat("k", 256):               "the limit is 255",
		"coffer://api/\xff":                                      "not allowed",
		"coffer://" + strings.Repeat("long/", 210) + "api/key":   "the limit is 1024",
	} {
		got, err := Parse(text)
		if err == nil || !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v; want %q", text, got, err, want)
		}
	}
}

// FuzzParse: what is accepted has a valid ID, and String gives it back.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"coffer://api/key", "coffer://a/b/c/key?version=3", "coffer://api:label%3F/key", "coffer://rds%21x/%4b", "coffer://api/key?version=1&version=2", "coffer://%/%",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text)
		if err != nil {
			if !errors.Is(err, store.ErrInvalid) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if _, err := store.NewID(r.Service, r.Key); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if again, err := Parse(r.String()); err != nil || again != r {
			t.Errorf("%q is written as %q, which is %+v, %v", text, r, again, err)
		}
	})
}
