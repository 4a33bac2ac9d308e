package environ

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
)

func strict(value string) *string { return &value }

func TestStrictFillsExactlyTheMarkedVariables(t *testing.T) {
	parent := []string{"HOME=/h", "DB=chamberme", "COFFER_X=y", "SMTP=chamberme"}
	for name, c := range map[string]struct {
		parent []string
		layers []Layer
		rules  Rules
		want   []string
	}{
		"one service":           {parent, []Layer{layer("api", "db=1", "smtp=2", "unused=3")}, Rules{}, []string{"HOME=/h", "DB=1", "SMTP=2"}},
		"two services together": {parent, []Layer{layer("api", "db=1", "x=9"), layer("worker", "smtp=2", "y=9")}, Rules{}, []string{"HOME=/h", "DB=1", "SMTP=2"}},
		"the later service":     {parent, []Layer{layer("api", "db=1", "smtp=2"), layer("worker", "smtp=3")}, Rules{}, []string{"HOME=/h", "DB=1", "SMTP=3"}},
		"pristine":              {parent, []Layer{layer("api", "db=1", "smtp=2", "home2=x")}, Rules{Pristine: true}, []string{"DB=1", "SMTP=2"}},
		"unused bad names":      {parent, []Layer{layer("api", "db=1", "smtp=2", "b d=3", "ld_preload=4", "a-b=5", "a_b=6")}, Rules{}, []string{"HOME=/h", "DB=1", "SMTP=2"}},
		"nothing marked":        {[]string{"A=b"}, []Layer{layer("api", "db=1")}, Rules{}, []string{"A=b"}},
		"marked AWS credential": {[]string{"AWS_ACCESS_KEY_ID=chamberme"}, []Layer{layer("api", "aws_access_key_id=its")}, Rules{NoAWS: true}, []string{"AWS_ACCESS_KEY_ID=its"}},
		"prefix":                {[]string{"APP_DB=chamberme", "DB=mine"}, []Layer{layer("api", "db=1")}, Rules{Prefix: "APP_"}, []string{"DB=mine", "APP_DB=1"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.rules.Strict = strict("chamberme")
			env, _, err := Build(c.parent, c.layers, c.rules)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, env.Strings()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestStrictRefusesWhatItCannotFill(t *testing.T) {
	parent := []string{"B=mark-" + canary, "A=mark-" + canary, "low=mark-" + canary, "C=other-" + canary}
	env, notices, err := Build(parent, []Layer{layer("api", "c="+canary, "low="+canary), layer("w", "d="+canary)}, Rules{Strict: strict("mark-" + canary)})
	var (
		unfilled *UnfilledError
		occupied *OccupiedError
	)
	if !errors.As(err, &unfilled) || !errors.As(err, &occupied) || !errors.Is(err, store.ErrInvalid) {
		t.Fatalf("error is %v", err)
	}
	if diff := cmp.Diff([]string{"A", "B", "low"}, unfilled.Names); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&OccupiedError{"api", "c", "C"}, occupied); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(texts(env, notices, err), canary) {
		t.Errorf("a value shows: %v", err)
	}
}

func TestStrictStillRefusesClashesAndDangerousNames(t *testing.T) {
	parent := []string{"PATH=mark", "A_B=mark"}
	_, _, err := Build(parent, []Layer{layer("api", "path=1", "a-b=2", "a.b=3")}, Rules{Strict: strict("mark")})
	var (
		clash     *ClashError
		dangerous *DangerousError
	)
	if !errors.As(err, &clash) || !errors.As(err, &dangerous) {
		t.Errorf("error is %v", err)
	}
}
