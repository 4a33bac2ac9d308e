package integrations_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/need"
)

// units writes units of docs/recipes.md, changed to run on this machine, and returns their folder. The
// service is a script that keeps what it got in the home.
func units(t *testing.T, m *machine, names map[string]string) string {
	t.Helper()
	server := m.file("server", "#!/bin/sh\ncd "+m.home+"\nenv -0 > new\n"+
		`if [ "$1" = --tls-key ]; then cp "$2" key; fi`+"\nmv new server.env\nexec sleep 60\n", 0o700)
	local := "COFFER_BACKEND=local COFFER_DIR=" + m.home + "/store COFFER_KEY_DIR=" + m.home + "/keys"
	for file, name := range names {
		text := strings.NewReplacer(
			"/usr/bin/coffer", m.program, "/usr/bin/server", server, // systemd-analyze wants to see them
			"COFFER_S3_BUCKET=acme-secrets AWS_REGION=eu-west-1", local,
			"DynamicUser=yes", "DynamicUser=no", // it could not read this store, nor write here
		).Replace(recipe(t, name))
		m.file("units/"+file, text, 0o600)
	}
	return filepath.Join(m.home, "units")
}

var (
	withExec  = map[string]string{"api.service": "/etc/systemd/system/api.service"}
	withFiles = map[string]string{
		"api-secrets.service": "/etc/systemd/system/api-secrets.service",
		"api.service":         "/etc/systemd/system/api.service with files",
	}
)

func TestUnitsAreValid(t *testing.T) {
	analyze := need.Program(t, "systemd-analyze", "apt-get install systemd")
	for name, files := range map[string]map[string]string{"exec": withExec, "files": withFiles} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			paths := []string{"verify", "--man=no"}
			for file := range files {
				paths = append(paths, filepath.Join(units(t, m, files), file))
			}
			if code, output := m.run(analyze, paths...); code != 0 || output != "" {
				t.Errorf("exit code %d\n%s", code, output)
			}
		})
	}
}

// boot starts systemd as process 1 of namespaces of its own. It reads units from one folder alone, starts
// api.service and runs a script as root. Then it is killed: its own shutdown is for a whole machine.
func boot(t *testing.T, m *machine, script string) {
	t.Helper()
	const systemd = "/lib/systemd/systemd"
	if _, err := os.Stat(systemd); err != nil {
		need.Missing(t, systemd, "apt-get install systemd")
	}
	for _, target := range []string{"sysinit", "basic", "shutdown", "network-online"} { // what services need by default
		m.file("units/"+target+".target", "[Unit]\nDefaultDependencies=no\n", 0o600)
	}
	m.file("script", "cd "+m.home+"\n"+script, 0o600)
	m.file("units/test.service", "[Unit]\nDefaultDependencies=no\nWants=api.service\nAfter=api.service\n[Service]\nType=oneshot\n"+
		"ExecStart=/bin/sh "+m.file("test", "sh "+m.home+"/script 2>"+m.home+"/errors; echo $? >"+m.home+"/done\n", 0o600)+"\n", 0o600)
	start := m.file("start", "mount --make-rprivate / && mount --make-rshared / && mount -t tmpfs tmpfs /run && >"+m.home+"/mounted && "+
		"exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=coffer SYSTEMD_UNIT_PATH="+m.home+"/units "+
		systemd+" --system --unit=test.service --log-target=null\n", 0o600)
	cmd := m.command(need.Program(t, "unshare", "apt-get install util-linux"),
		"--mount", "--pid", "--fork", "--mount-proc", "--uts", "--ipc", "--cgroup", "--kill-child", "sh", start)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	done := filepath.Join(m.home, "done")
	for end, deadline := false, time.Now().Add(time.Minute); !end && time.Now().Before(deadline) && !exists(done); {
		select {
		case <-ended:
			end = true
		case <-time.After(20 * time.Millisecond):
		}
	}
	cmd.Process.Kill()
	<-ended
	hidden(t, output.String())
	switch {
	case !exists(filepath.Join(m.home, "mounted")):
		t.Skipf("systemd can't be started here: it needs root, and namespaces\n%s", output.String())
	case !exists(done):
		t.Fatalf("the script didn't end in time\n%s", output.String())
	case m.mustRun("cat", done) != "0\n":
		t.Errorf("the script failed\n%s", m.mustRun("cat", "errors"))
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// wait is a line of a script that waits for a file, which it then gives another name.
func wait(file, name string) string {
	return "for i in $(seq 200); do test -e " + file + " && break; sleep 0.1; done; mv " + file + " " + name + "\n"
}

func TestAUnitStartsItsProgramWithExec(t *testing.T) {
	m := newMachine(t)
	units(t, m, withExec)
	boot(t, m, wait("server.env", "seen")+"systemctl show api >shown; systemctl status --full api >>shown\n")
	arrived(t, variables(t, filepath.Join(m.home, "seen")))
	hidden(t, m.mustRun("cat", "shown"))
}

func TestAUnitFetchesSecretsForAnother(t *testing.T) {
	m := newMachine(t)
	units(t, m, withFiles)
	boot(t, m, wait("server.env", "seen")+"systemctl show api api-secrets >shown; stat -c '%a %U' /run/api-secrets/* >modes\n"+
		"export "+strings.Join(m.env, " ")+"\nprintf canary-new | coffer write api db_password - >/dev/null\n"+
		"systemctl restart api-secrets\n"+wait("server.env", "again"))
	env := variables(t, filepath.Join(m.home, "seen"))
	if _, ok := env["TLS_KEY"]; ok {
		t.Error("TLS_KEY is a variable, too")
	}
	env["TLS_KEY"] = m.mustRun("cat", "key")
	arrived(t, env)
	if again := variables(t, filepath.Join(m.home, "again")); again["DB_PASSWORD"] != "canary-new" {
		t.Error("a restart of api-secrets gives api no new value")
	}
	hidden(t, m.mustRun("cat", "shown"))
	if modes := m.mustRun("cat", "modes"); modes != "600 root\n600 root\n" {
		t.Errorf("the files are\n%s", modes)
	}
}

// TestAUnitWithoutItsSecretsStaysDown: also when only one of several is missing.
func TestAUnitWithoutItsSecretsStaysDown(t *testing.T) {
	m := newMachine(t)
	m.mustRun("coffer", "delete", "--yes", "api", "tls_key")
	units(t, m, withFiles)
	boot(t, m, "systemctl is-active api api-secrets >state; test $? = 3\n")
	if state := m.mustRun("cat", "state"); state != "inactive\nfailed\n" {
		t.Errorf("api and api-secrets are %q", state)
	}
}
