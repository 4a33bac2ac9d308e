//go:build unix

package cmd_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
)

// unjudged are the actions of the printed policies that moto 5.2 never asks about, and why.
// TestAPolicyAllowsWhatItsRoleDoes and TestAPolicyAllowsNothingElse judge them.
var unjudged = map[string]string{
	"s3:GetBucketPublicAccessBlock": "moto takes ?publicAccessBlock of a bucket for s3:ListBucket",
	"s3:GetEncryptionConfiguration": "moto takes ?encryption of a bucket for s3:ListBucket",
	"s3:DeleteObjectTagging":        "moto takes DELETE with ?tagging for s3:DeleteObject",
	"kms:Decrypt":                   "moto's S3 opens without asking its KMS",
	"kms:GenerateDataKey":           "moto's S3 seals without asking its KMS",
}

// proving is for each action a command that is refused without it, and what it then says.
// %r is the role, %u a name of the user's own.
var proving = map[string]struct{ line, says string }{
	"s3:ListBucket":                {"policy check %r team", "lacks s3:ListBucket"},
	"s3:GetObject":                 {"read team db_url", "not allowed to get team/db_url.json"},
	"s3:PutObject":                 {"write team new_%u -", "not allowed to put team/new_"},
	"s3:DeleteObject":              {"delete team mine_%u", "not allowed to delete team/mine_"},
	"s3:GetObjectTagging":          {"tag read team db_url", "tags"},
	"s3:PutObjectTagging":          {"tag write team tagged_%u a=b", "tags"},
	"s3:ListBucketVersions":        {"restore team --deleted", "not allowed to list the versions of team/"},
	"s3:GetObjectVersion":          {"restore team gone_%u --deleted", "version"},
	"s3:DeleteObjectVersion":       {"delete team own_%u --purge --yes", "version"},
	"s3:GetBucketPolicy":           {"policy check operator team", "lacks s3:GetBucketPolicy\n"},
	"s3:GetBucketVersioning":       {"policy check operator team", "lacks s3:GetBucketVersioning\n"},
	"s3:GetLifecycleConfiguration": {"policy check operator team", "lacks s3:GetLifecycleConfiguration\n"},
	// Moto's KMS refuses with a text that no program for KMS understands.
	"kms:DescribeKey": {"policy check %r team", "describing key alias/each: you may lack the permission"},
	"kms:ListAliases": {"read team db_url --kms-key-alias %k", "you may lack the permission"},
}

// Each action of each printed policy is needed, and all of them are enough: without it moto
// refuses a command of the role, for want of it; with it the command passes.
func TestMotoMissesEachActionOfThePrintedPolicies(t *testing.T) {
	server := mototest.Enforcing(t)
	b := newMotoBench(t, server, "each")
	b.do("init --yes --without policy", "")
	_, keyID, _ := strings.Cut(initialised(b, "--without policy --without check")[0].State, "key/")
	b.do("write team db_url -", canary)
	people := &motoPeople{bench: b, server: server, secrets: map[string]string{}}
	var all []motoPerson
	for _, role := range []string{"reader", "reader --kms-key-alias " + keyID, "writer", "writer --tags", "operator"} {
		got := b.run("policy "+role+" team --part identity", "")
		full := asMotoTakesIt(t, got.stdout, "")
		judged := slices.DeleteFunc(slices.Concat(actionsOf(full)...), func(a string) bool { return unjudged[a] != "" || a == "s3:HeadBucket" })
		role, _, _ = strings.Cut(role, " ")
		for _, lacks := range append([]string{""}, judged...) {
			p := motoPerson{name: fmt.Sprintf("%s%d", role, len(all)), role: role, keyID: keyID, wants: judged, lacks: lacks}
			p.bench = people.add(p.name, asMotoTakesIt(t, got.stdout, lacks))
			p.prepare(b)
			all = append(all, p)
		}
	}
	people.enforce()

	for _, p := range all {
		t.Run(p.name+" without "+p.lacks, func(t *testing.T) {
			p.T = t
			for _, action := range p.tries() {
				line, want := p.proof(action)
				got := p.run(line, canary)
				refused := strings.Contains(got.stdout+got.stderr, want) && (got.exit == 5 || strings.HasPrefix(action, "kms:"))
				if p.lacks == "" && (got.exit != 0 || refused) || p.lacks != "" && !refused {
					t.Errorf("coffer %s: exit code %d\n%s%s", line, got.exit, got.stdout, got.stderr)
				}
			}
		})
	}
}

// motoPerson is a user who has what a role wants, but for one action.
type motoPerson struct {
	*bench
	name, role string
	keyID      string
	wants      []string
	lacks      string // "": nothing
}

// tries are the actions whose commands are tried: what is lacking, or all.
func (p motoPerson) tries() []string {
	if p.lacks != "" {
		return []string{p.lacks}
	}
	return p.wants
}

// proof is a command that needs an action, and what is said without it.
func (p motoPerson) proof(action string) (line, says string) {
	p.Helper()
	proof, ok := proving[action]
	if !ok {
		p.Fatalf("the test has no command that proves %s", action)
	}
	return strings.NewReplacer("%u", p.name, "%r", p.role, "%k", p.keyID).Replace(proof.line), proof.says
}

// prepare has somebody who may make the secrets for the person's commands.
func (p motoPerson) prepare(admin *bench) {
	p.Helper()
	for _, action := range p.tries() {
		line, _ := p.proof(action)
		for _, secret := range []string{"own_", "mine_", "tagged_", "gone_"} {
			if name := secret + p.name; strings.Contains(line, name) {
				admin.do("write team "+name+" -", canary)
				if secret == "gone_" {
					admin.do("delete team "+name, "")
				}
			}
		}
	}
}

type motoPolicy struct {
	Version   string
	Statement []motoStatement
}

type motoStatement struct {
	Sid, Effect      string
	Action, Resource []string
	Condition        map[string]any `json:",omitempty"`
}

// asMotoTakesIt is a printed policy without one action, as moto can judge it. Moto denies by a
// condition whatever it says, has no resources in KMS, and calls what HEAD of a bucket needs s3:HeadBucket.
func asMotoTakesIt(t *testing.T, text, without string) motoPolicy {
	t.Helper()
	var policy motoPolicy
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		t.Fatal(err)
	}
	for i := range policy.Statement {
		s := &policy.Statement[i]
		s.Condition = nil
		s.Action = slices.DeleteFunc(s.Action, func(a string) bool { return a == without })
		if slices.Contains(s.Action, "s3:ListBucket") {
			s.Action = append(s.Action, "s3:HeadBucket")
		}
		if s.Sid == "DescribeKeys" {
			s.Resource = []string{"*"}
		}
	}
	policy.Statement = slices.DeleteFunc(policy.Statement, func(s motoStatement) bool { return len(s.Action) == 0 })
	return policy
}

func actionsOf(policy motoPolicy) (all [][]string) {
	for _, s := range policy.Statement {
		all = append(all, s.Action)
	}
	return all
}

// motoPeople are users of a moto, who come to it through a proxy: moto computes the signature
// of a query with a "/" in it otherwise than AWS does, so that the proxy signs such a request anew.
type motoPeople struct {
	*bench
	server string

	proxy   sync.Once
	url     string
	secrets map[string]string // by access key id
}

// add makes a user with a policy, as whom the program then runs.
func (m *motoPeople) add(name string, policy motoPolicy) *bench {
	m.Helper()
	text, err := json.Marshal(policy)
	if err != nil {
		m.Fatal(err)
	}
	motoIAM(m.bench, m.server, url.Values{"Action": {"CreateUser"}, "UserName": {name}})
	motoIAM(m.bench, m.server, url.Values{"Action": {"PutUserPolicy"}, "UserName": {name}, "PolicyName": {"coffer"}, "PolicyDocument": {string(text)}})
	keys := accessKey.FindStringSubmatch(motoIAM(m.bench, m.server, url.Values{"Action": {"CreateAccessKey"}, "UserName": {name}}))
	m.secrets[keys[1]] = keys[2]
	m.proxy.Do(func() {
		target, err := url.Parse(m.server)
		if err != nil {
			m.Fatal(err)
		}
		proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is signed
			m.sign(r.Out)
		}})
		m.Cleanup(proxy.Close)
		m.url = proxy.URL
	})
	return &bench{T: m.T, env: append(m.env[:len(m.env):len(m.env)],
		"AWS_ACCESS_KEY_ID="+keys[1], "AWS_SECRET_ACCESS_KEY="+keys[2], "COFFER_ENDPOINT_URL="+m.url)}
}

// enforce ends the making of users.
func (m *motoPeople) enforce() {
	m.Helper()
	answer, err := http.Post(m.server+"/moto-api/reset-auth", "text/plain", strings.NewReader("0"))
	if err != nil {
		m.Fatal(err)
	}
	_ = answer.Body.Close()
}

// sign replaces the signature of a request by the one that moto computes of it.
func (m *motoPeople) sign(r *http.Request) {
	credential, rest, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential="), ", SignedHeaders=")
	names, _, ok := strings.Cut(rest, ", Signature=")
	scope := strings.Split(credential, "/")
	if !ok || len(scope) != 5 || !strings.Contains(r.URL.RawQuery, "%2F") {
		return
	}
	var headers strings.Builder
	for name := range strings.SplitSeq(names, ";") {
		value := r.Header.Get(name)
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		headers.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	query := strings.Split(strings.ReplaceAll(r.URL.RawQuery, "%2F", "/"), "&")
	slices.Sort(query)
	canonical := strings.Join([]string{r.Method, r.URL.EscapedPath(), strings.Join(query, "&"), headers.String(), names, r.Header.Get("X-Amz-Content-Sha256")}, "\n")
	hash := sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{"AWS4-HMAC-SHA256", r.Header.Get("X-Amz-Date"), strings.Join(scope[1:], "/"), hex.EncodeToString(hash[:])}, "\n")
	key := []byte("AWS4" + m.secrets[scope[0]])
	for _, part := range append(scope[1:], text) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+credential+", SignedHeaders="+names+", Signature="+hex.EncodeToString(key))
}
