package integrations_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/need"
)

const version = "v0.1.0"

// releases serves releases of a program, laid out like GitHub's. The tests change its files.
type releases struct {
	url, archive string
	files        map[string][]byte
	asked        []string
}

// newReleases has one release, which is also the latest. Its program is the script.
func newReleases(t *testing.T, script string) *releases {
	t.Helper()
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	files := tar.NewWriter(zip)
	for name, text := range map[string]string{"LICENSE": "Apache", "coffer": script} {
		if err := files.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := files.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	r := &releases{archive: fmt.Sprintf("coffer_%s_%s_%s.tar.gz", version[1:], runtime.GOOS, runtime.GOARCH)}
	sums := fmt.Appendf(nil, "%064d  coffer_0.1.0_plan9_386.tar.gz\n%x  %s\n", 0, sha256.Sum256(packed.Bytes()), r.archive)
	installer, err := os.ReadFile("install.sh")
	if err != nil {
		t.Fatal(err)
	}
	r.files = map[string][]byte{
		"/latest/download/install.sh":                                installer,
		"/download/" + version + "/install.sh":                       installer,
		"/latest/download/checksums.txt":                             sums,
		"/download/" + version + "/checksums.txt":                    sums,
		"/download/" + version + "/checksums.txt.sigstore.json":      []byte("bundle"),
		"/latest/download/checksums.txt.sigstore.json":               []byte("bundle"),
		"/download/" + version + "/" + r.archive:                     packed.Bytes(),
		"/download/" + version + "/coffer_0.1.0_plan9_386.tar.gz":    nil,
		"/download/" + version + "/" + r.archive + ".cyclonedx.json": []byte("{}"),
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.asked = append(r.asked, request.URL.Path)
		if body, exists := r.files[request.URL.Path]; exists {
			_, _ = w.Write(body)
			return
		}
		http.NotFound(w, request)
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// toolbox is a directory with these programs of the system, and no other.
func toolbox(t *testing.T, programs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range append(programs, "uname", "mkdir", "mktemp", "rm", "awk", "tar", "gzip", "cp", "chmod", "mv", "sed", "cat") {
		path := need.Program(t, name, "apt-get install curl wget gawk perl")
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// install runs install.sh with a PATH, and returns what it printed.
func install(t *testing.T, path string, args ...string) (string, error) {
	t.Helper()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), shell, append([]string{"install.sh"}, args...)...)
	c.Env = []string{"PATH=" + path, "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir()}
	output, err := c.CombinedOutput()
	if left, _ := filepath.Glob(strings.TrimPrefix(c.Env[2], "TMPDIR=") + "/*"); len(left) > 0 {
		t.Errorf("install.sh left %q", left)
	}
	return string(output), err
}

const program = "#!/bin/sh\necho coffer v0.1.0\n"

func TestInstallTakesTheLatestReleaseOrOneByName(t *testing.T) {
	for _, tools := range [][]string{{"curl", "sha256sum"}, {"wget", "shasum"}} {
		for _, args := range [][]string{nil, {"--version", "v0.1.0"}, {"--version", "0.1.0"}} {
			t.Run(fmt.Sprint(tools, args), func(t *testing.T) {
				t.Parallel()
				r := newReleases(t, program)
				dir := filepath.Join(t.TempDir(), "a dir", "bin")
				output, err := install(t, toolbox(t, tools...), append(args, "--dir", dir, "--base-url", r.url+"/")...)
				if err != nil || !strings.Contains(output, "installed coffer v0.1.0 in "+dir) {
					t.Fatal(err, output)
				}
				installed, err := os.Stat(filepath.Join(dir, "coffer"))
				if err != nil || installed.Mode().Perm() != 0o755 {
					t.Fatal(installed, err)
				}
				entries, err := os.ReadDir(dir)
				if len(entries) != 1 {
					t.Error("more was installed:", entries, err)
				}
			})
		}
	}
}

// TestInstallRefuses: each of these leaves the directory as it was, and says what is wrong.
func TestInstallRefuses(t *testing.T) {
	all := []string{"curl", "sha256sum"}
	for name, test := range map[string]struct {
		change func(r *releases)
		tools  []string
		args   []string
		want   string
	}{
		"a changed archive": {change: func(r *releases) {
			r.files["/download/v0.1.0/"+r.archive] = append(r.files["/download/v0.1.0/"+r.archive], 0)
		}, want: "the checksum of coffer_0.1.0_"},
		"another release's checksums": {change: func(r *releases) {
			r.files["/download/v0.2.0/checksums.txt"] = r.files["/latest/download/checksums.txt"]
		}, args: []string{"--version", "v0.2.0"}, want: "checksums.txt is of v0.1.0, not of v0.2.0"},
		"a release that doesn't exist": {args: []string{"--version", "v9.9.9"}, want: "can't download "},
		"a system without an archive": {change: func(r *releases) {
			r.files["/latest/download/checksums.txt"] = []byte("0  coffer_1_plan9_386.tar.gz\n")
		}, want: "has no archive for "},
		"two archives for one system": {change: func(r *releases) {
			r.files["/latest/download/checksums.txt"] = append(r.files["/latest/download/checksums.txt"], r.files["/latest/download/checksums.txt"]...)
		}, want: "more than one archive"},
		"a missing archive":              {change: func(r *releases) { delete(r.files, "/download/v0.1.0/"+r.archive) }, want: "can't download "},
		"a program that doesn't run":     {change: func(r *releases) { *r = *newReleases(t, "#!/bin/sh\nexit 1\n") }, want: "doesn't run on this system"},
		"a missing cosign":               {args: []string{"--require-signature"}, want: "cosign is missing"},
		"a key without cosign":           {args: []string{"--key", "cosign.pub"}, want: "cosign is missing"},
		"no program for downloads":       {tools: []string{"sha256sum"}, want: "curl or wget is missing"},
		"no program for checksums":       {tools: []string{"curl"}, want: "sha256sum, shasum or sha256 is missing"},
		"a version that is none":         {args: []string{"--version", "main"}, want: "--version must be a release"},
		"a flag without its value":       {args: []string{"--version"}, want: "--version needs a value"},
		"a flag that doesn't exist":      {args: []string{"--wrong"}, want: "unknown argument --wrong"},
		"a directory that is a file":     {args: []string{"--dir", "install.sh"}, want: "can't create install.sh"},
		"an archive that can't be read":  {change: func(r *releases) { r.replace("no archive") }, want: "can't unpack "},
		"an empty file of checksums":     {change: func(r *releases) { r.files["/latest/download/checksums.txt"] = nil }, want: "checksums.txt is empty"},
		"a version with a path":          {args: []string{"--version", "v9/../../x"}, want: "--version must be a release"},
		"a flag instead of a value":      {args: []string{"--dir", "--if-missing"}, want: "--dir needs a value, and --if-missing is a flag"},
		"a directory like a flag":        {args: []string{"--dir", "-x"}, want: "--dir needs a value, and -x is a flag: write a path as ./-x"},
		"checksums of a foreign release": {change: func(r *releases) { r.files["/latest/download/checksums.txt"] = []byte("<html>") }, want: "has no archive for "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReleases(t, program)
			if test.change != nil {
				test.change(r)
			}
			if test.tools == nil {
				test.tools = all
			}
			dir := t.TempDir()
			output, err := install(t, toolbox(t, test.tools...), append([]string{"--dir", dir, "--base-url", r.url}, test.args...)...)
			if err == nil || !strings.Contains(output, "install.sh: "+test.want) && !strings.Contains(output, test.want) {
				t.Errorf("want %q: %v\n%s", test.want, err, output)
			}
			left, _ := os.ReadDir(dir)
			if len(left) > 0 {
				t.Errorf("it left %v in the directory", left)
			}
		})
	}
}

// TestInstallRefusesBeforeTheDownload what it can't end: a directory where the program belongs, and without uname, awk or tar.
func TestInstallRefusesBeforeTheDownload(t *testing.T) {
	for name, want := range map[string]string{"uname": "install.sh: uname is missing", "awk": "awk is missing", "tar": "tar is missing", "coffer": "coffer is a directory: choose another"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, path, dir := newReleases(t, program), toolbox(t, "curl", "sha256sum"), t.TempDir()
			if name != "coffer" {
				if err := os.Remove(filepath.Join(path, name)); err != nil {
					t.Fatal(err)
				}
			} else if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
			output, err := install(t, path, "--dir", dir, "--base-url", r.url)
			if err == nil || !strings.Contains(output, want) || strings.Contains(output, "installed") || len(r.asked) > 0 {
				t.Errorf("want %q and no request: %v, %q\n%s", want, err, r.asked, output)
			}
			if left, _ := filepath.Glob(dir + "/coffer/*"); len(left) > 0 {
				t.Errorf("it left %q", left)
			}
		})
	}
}

// TestInstallReadsChecksumsOfOtherPrograms: a mirror's may have *name, as sha256sum --binary writes it, CRLF, and
// letters in upper case.
// The checksum still counts.
func TestInstallReadsChecksumsOfOtherPrograms(t *testing.T) {
	for _, change := range [][]string{{"\n", "\r\n"}, {"  ", " *"}, {"\n", "\r\n", "  ", " *"}, nil} {
		for _, damage := range []string{"", "damaged"} {
			t.Run(fmt.Sprintf("%q %s", change, damage), func(t *testing.T) {
				t.Parallel()
				r, dir := newReleases(t, program), t.TempDir()
				name := "/latest/download/checksums.txt"
				r.files[name] = []byte(strings.NewReplacer(change...).Replace(string(r.files[name])))
				if change == nil {
					r.files[name] = regexp.MustCompile("(?m)^[0-9a-f]+").ReplaceAllFunc(r.files[name], bytes.ToUpper)
				}
				r.files["/download/v0.1.0/"+r.archive] = append(r.files["/download/v0.1.0/"+r.archive], damage...)
				output, err := install(t, toolbox(t, "curl", "sha256sum"), "--dir", dir, "--base-url", r.url)
				installed, _ := filepath.Glob(dir + "/coffer")
				if failed := err != nil; failed != (damage != "") || failed != (len(installed) == 0) || failed != strings.Contains(output, "the checksum of ") {
					t.Error(err, output)
				}
			})
		}
	}
}

// replace exchanges the archive, with its right checksum.
func (r *releases) replace(archive string) {
	r.files["/download/v0.1.0/"+r.archive] = []byte(archive)
	r.files["/latest/download/checksums.txt"] = fmt.Appendf(nil, "%x  %s\n", sha256.Sum256([]byte(archive)), r.archive)
}

// TestInstallVerifiesTheSignature, if cosign is there. A stand-in shows how it is called; make release-prove
// calls the real one.
func TestInstallVerifiesTheSignature(t *testing.T) {
	for name, test := range map[string]struct {
		code  int
		args  []string
		want  []string
		fails string
	}{
		"by the workflow's identity": {want: []string{
			"--certificate-oidc-issuer", "https://token.actions.githubusercontent.com", "--certificate-identity",
			"https://github.com/coffer-secrets/coffer/.github/workflows/release.yml@refs/tags/v0.1.0",
		}},
		"by a key":    {args: []string{"--key", "mirror.pub"}, want: []string{"--key", "mirror.pub", "--insecure-ignore-tlog=true", "--trusted-root"}},
		"a wrong one": {code: 1, fails: "the signature of checksums.txt is not valid"},
		"none":        {args: []string{"--version", "0.1.0"}, fails: "can't download "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReleases(t, program)
			if name == "none" {
				delete(r.files, "/download/v0.1.0/checksums.txt.sigstore.json")
			}
			path, dir := toolbox(t, "curl", "sha256sum"), t.TempDir()
			called := filepath.Join(t.TempDir(), "called")
			script := fmt.Sprintf("#!/bin/sh\nprintf '%%s\\n' \"$@\" > '%s'\nexit %d\n", called, test.code)
			if err := os.WriteFile(filepath.Join(path, "cosign"), []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			output, err := install(t, path, append(test.args, "--require-signature", "--dir", dir, "--base-url", r.url)...)
			if failed := err != nil; failed != (test.fails != "") || !strings.Contains(output, test.fails) {
				t.Fatal(err, output)
			}
			if test.fails != "" {
				if left, _ := os.ReadDir(dir); len(left) > 0 || slices.ContainsFunc(r.asked, func(s string) bool { return strings.HasSuffix(s, r.archive) }) {
					t.Error("the archive was installed or asked for:", left, r.asked)
				}
				return
			}
			text, err := os.ReadFile(called)
			if err != nil || !strings.Contains(string(text), "\n"+strings.Join(test.want, "\n")+"\n") || !strings.HasPrefix(string(text), "verify-blob\n--bundle\n") {
				t.Errorf("cosign was called with %s, %v", text, err)
			}
		})
	}
}

// withoutCoffer takes coffer from the machine's PATH.
func (m *machine) withoutCoffer() {
	m.env = slices.Clone(m.env)
	for i, variable := range m.env {
		if path, is := strings.CutPrefix(variable, "PATH="); is {
			m.env[i] = "PATH=" + strings.ReplaceAll(path, filepath.Dir(m.program)+string(os.PathListSeparator), "")
		}
	}
}
