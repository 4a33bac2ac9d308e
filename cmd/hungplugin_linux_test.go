package cmd_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age/plugin"
)

// A plugin that never answers doesn't hold an interrupted coffer, and its input ends with coffer. One that doesn't read
// it stays, as docs/team-setup.md says.
func TestAnInterruptEndsTheWaitForAPluginThatHangs(t *testing.T) {
	for name, c := range map[string]struct {
		waits string
		stays bool
	}{
		"it reads its input": {"while read -r line; do :; done", false},
		"it sleeps":          {"exec sleep 600", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ann := newTeam(t)
			ann.do("write api db_url -", canary)
			bob := ann.colleague("bob")
			bin := t.TempDir()
			started := filepath.Join(bin, "pid")
			script := "#!/bin/sh\necho $$ > " + started + ".new && mv " + started + ".new " + started + "\n" + c.waits + "\n"
			if err := os.WriteFile(filepath.Join(bin, "age-plugin-hang"), []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			identity := bob.file("identity: " + bob.file(plugin.EncodeIdentity("hang", []byte("x"))+"\n") + "\n")
			coffer := exec.CommandContext(t.Context(), "coffer", "read", "api", "db_url")
			coffer.Env = append(bob.env, "COFFER_CONFIG="+identity, "PATH="+bin+":"+os.Getenv("PATH"))
			if err := coffer.Start(); err != nil {
				t.Fatal(err)
			}
			pid := 0
			for begun := time.Now(); pid == 0 && time.Since(begun) < time.Minute; time.Sleep(10 * time.Millisecond) {
				text, _ := os.ReadFile(started)
				pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
			}
			if pid == 0 {
				t.Fatal("the plugin wasn't started")
			}
			t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
			if err := coffer.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if _ = coffer.Wait(); coffer.ProcessState.ExitCode() != 130 {
				t.Errorf("exit code %d, want 130", coffer.ProcessState.ExitCode())
			}
			gone := false
			for begun := time.Now(); !gone && !c.stays && time.Since(begun) < time.Minute; time.Sleep(10 * time.Millisecond) {
				gone = errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || isZombie(pid)
			}
			if gone == c.stays {
				t.Errorf("the plugin is gone: %v", gone)
			}
		})
	}
}

// isZombie reports whether a process has ended and nobody has asked how.
func isZombie(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}
