package scan

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/mask"
	"github.com/coffer-secrets/coffer/internal/testing/need"
)

// canary stands in every value. Nothing that the package returns may have it, in any form.
const canary = "canary-5c4n"

// repository is a git repository, which is the working directory of the test.
type repository struct {
	*testing.T
	env []string
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	need.Program(t, "git", "apt-get install git")
	t.Chdir(t.TempDir())
	r := &repository{t, []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com",
	}}
	r.git("init", "-q", "-b", "main")
	return r
}

func (r *repository) git(args ...string) string {
	r.Helper()
	c := exec.CommandContext(r.Context(), "git", args...)
	c.Env = r.env
	out, err := c.CombinedOutput()
	if err != nil {
		r.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// write writes files, each a name and its content.
func (r *repository) write(files ...string) {
	r.Helper()
	for i := 0; i < len(files); i += 2 {
		if err := os.MkdirAll(filepath.Dir(files[i]), 0o755); err != nil {
			r.Fatal(err)
		}
		if err := os.WriteFile(files[i], []byte(files[i+1]), 0o644); err != nil {
			r.Fatal(err)
		}
	}
}

// commit commits everything, and returns the commit.
func (r *repository) commit(message string) string {
	r.Helper()
	r.git("add", "--all")
	r.git("commit", "-q", "-m", message)
	return r.git("rev-parse", "HEAD")
}

// result is what a scanner has reported.
type result struct {
	*Scanner
	lines  []string // COMMIT:FILE:LINE SECRET (FORM)
	failed []string
}

func newScanner(t *testing.T, env []string, secrets ...mask.Secret) *result {
	t.Helper()
	r := &result{Scanner: &Scanner{Matcher: mask.NewToFind(secrets, 8), Environ: env}}
	r.Found = func(f Finding) {
		line := fmt.Sprintf("%s:%d %s (%s)", f.File, f.Line, strings.Join(f.Secrets, " = "), f.Form)
		if f.Byte != nil {
			line = fmt.Sprintf("%s:byte %d %s (%s)", f.File, *f.Byte, strings.Join(f.Secrets, " = "), f.Form)
		}
		if f.Commit != "" {
			line = f.Commit + ":" + line
		}
		r.lines = append(r.lines, line)
	}
	r.Failed = func(name string, err error) { r.failed = append(r.failed, name+": "+err.Error()) }
	t.Cleanup(func() {
		all := fmt.Sprint(r.lines, r.failed, r.Packed, r.Notes)
		if strings.Contains(all, canary) || strings.Contains(all, base64.StdEncoding.EncodeToString([]byte(canary))[:12]) {
			t.Errorf("a value is told: %s", all)
		}
	})
	return r
}

func (r *result) wants(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, r.lines); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	if len(r.failed) > 0 {
		t.Errorf("failed: %v", r.failed)
	}
}

// secretsNumbered are values with what forms encode.
func secretsNumbered(n int) (all []mask.Secret) {
	for i := range n {
		all = append(all, mask.Secret{Name: fmt.Sprintf("api/key%02d", i), Value: fmt.Sprintf("%s %02d/+\"q'uote\" é=%d", canary, i, i*i*7919)})
	}
	return all
}

// privateKey returns a key whose first line is that of all keys of its kind.
func privateKey(seed string) string {
	body := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(seed+canary, 9)))
	return "-----BEGIN PRIVATE KEY-----\nMIIBVQIBADANBgkqhkiG9w0BAQEFAASCAT8wggE7AgEAAkEAoUq4MIIBVQIBADAN\n" + wrap(body, 64) + "-----END PRIVATE KEY-----\n"
}

// TestTwentySecretsOfAHistoryAreFoundAndNothingElse plants each of 20 secrets once, in another way.
func TestTwentySecretsOfAHistoryAreFoundAndNothingElse(t *testing.T) {
	h := &planted{repository: newRepository(t), s: secretsNumbered(20)}
	h.s[5].Value, h.s[6].Value = privateKey("one "), privateKey("another ")
	h.s[18].Value += strings.Repeat(" and more", 9)
	h.plantForms()
	h.plantFiles()
	h.plantBranches()
	h.plantNames()

	got := newScanner(t, h.env, h.s...)
	if err := got.History(t.Context(), []string{"HEAD"}, nil); err != nil {
		t.Fatal(err)
	}
	slices.Sort(h.want)
	slices.Sort(got.lines)
	got.wants(t, h.want...)

	got = newScanner(t, h.env, h.s[0]) // is in the file also before the range
	if err := got.History(t.Context(), []string{"HEAD", "^" + h.first}, nil); err != nil {
		t.Fatal(err)
	}
	got.wants(t)
}

// planted is a history with secrets.
type planted struct {
	*repository
	s     []mask.Secret
	first string // commit
	want  []string
}

func (h *planted) v(i int) string { return h.s[i].Value }

// found says that a secret is to be found.
func (h *planted) found(commit, place string, i int, form string) {
	h.want = append(h.want, fmt.Sprintf("%s:%s %s (%s)", commit, place, h.s[i].Name, form))
}

func (h *planted) plantForms() {
	quoted, err := json.Marshal(h.v(1))
	if err != nil {
		h.Fatal(err)
	}
	h.write("README", "nothing\n", "a.txt", "one\n"+h.v(0)+"\n", "deep/er/b.json", "{\n\"k\": "+string(quoted)+"}\n")
	h.first = h.commit("first")
	h.found(h.first, "a.txt:2", 0, "value")
	h.found(h.first, "deep/er/b.json:2", 1, "JSON")

	h.write("a.txt", "new\none\n"+h.v(0)+"\nend\n", "c", "u="+url.QueryEscape(h.v(2))+"\n") // key00 is still there
	h.found(h.commit("second"), "c:1", 2, "URL-encoded")

	h.write("d.yaml", "data: "+base64.StdEncoding.EncodeToString([]byte("user:"+h.v(3)+":x"))+"\n", "e", "\n\n"+hex.EncodeToString([]byte(h.v(4))))
	third := h.commit("third")
	h.found(third, "d.yaml:1", 3, "base64")
	h.found(third, "e:3", 4, "hex")
}

func (h *planted) plantFiles() {
	h.write("key.pem", "x\n"+h.v(5), "k8s.yaml", "tls.key: "+base64.StdEncoding.EncodeToString([]byte(h.v(6)))+"\n")
	keys := h.commit("keys")
	h.found(keys, "key.pem:2", 5, "value")
	h.found(keys, "k8s.yaml:1", 6, "base64")

	h.write("logo.png", "\x89PNG\r\n\x1a\n\x00\x00"+h.v(7)+"\x00", "gone", h.v(8))
	binary := h.commit("binary")
	h.found(binary, "logo.png:byte 10", 7, "value")
	h.found(binary, "gone:1", 8, "value")

	h.git("rm", "-q", "gone", "key.pem")
	h.git("mv", "e", "renamed") // the same content
	h.found(h.commit("deleted again\n\nbecause it had "+h.v(9)), CommitMessage+":3", 9, "value")

	long := strings.Repeat("x", 3*chunk)
	h.write("long", long+h.v(11)+long+"\n"+h.v(12), "wide.txt", "\xff\xfe"+utf16LE("x\n"+h.v(13)))
	large := h.commit("long lines")
	h.found(large, "long:1", 11, "value")
	h.found(large, "long:2", 12, "value")
	h.found(large, "wide.txt:byte 6", 13, "UTF-16")
}

func (h *planted) plantBranches() {
	h.git("checkout", "-q", "-b", "side")
	h.write("side.txt", h.v(10)+"\n", "merged", "side\n")
	h.found(h.commit("side"), "side.txt:1", 10, "value")
	h.git("rm", "-q", "side.txt") // only the side branch ever had it
	h.commit("side without")
	h.git("checkout", "-q", "main")
	h.write("elsewhere", "x")
	h.commit("main")

	h.git("merge", "-q", "--no-ff", "--no-commit", "side")
	h.write("merged", "side\nand a merge\n"+h.v(14)+"\n", "new in merge", h.v(15))
	merge := h.commit("merge")
	h.found(merge, "merged:3", 14, "value")
	h.found(merge, "new in merge:1", 15, "value")
}

func (h *planted) plantNames() {
	name := strings.NewReplacer("/", "%2F", " ", "%20", "+", "%2B", `"`, "%22", "'", "%27", "=", "%3D", "é", "%C3%A9").Replace(h.v(19))
	h.write("sh", "export A='"+strings.ReplaceAll(h.v(16), "'", `'\''`)+"'", "twice", h.v(17)+"\n"+h.v(17)+" "+h.v(17)+"\n", "name "+name, "x",
		"wrapped", wrap(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("before ", 9)+h.v(18)+"\n")), 76))
	last := h.commit("more")
	h.found(last, "name ***:0", 19, "file name, URL-encoded")
	h.found(last, "sh:1", 16, "quoted")
	h.found(last, "twice:1", 17, "value")
	h.found(last, "twice:2", 17, "value")
	h.found(last, "wrapped:2", 18, "part, base64")
}

func wrap(text string, width int) string {
	var out strings.Builder
	for part := range slices.Chunk([]byte(text), width) {
		out.Write(append(part, '\n'))
	}
	return out.String()
}

func utf16LE(text string) string {
	var out []byte
	for _, r := range text { // of the basic plane
		out = append(out, byte(r), byte(r>>8))
	}
	return string(out)
}
