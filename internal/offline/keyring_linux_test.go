package offline

import (
	"errors"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// newKernelKeyring skips the test where the kernel has none for us, as in a container whose seccomp profile forbids it.
func newKernelKeyring(t *testing.T) (Options, kernelKeyring) {
	t.Helper()
	o := options(t)
	o.Keyring = true
	k := New(o).ring.(kernelKeyring)
	if err := k.set("probe"); err != nil {
		t.Skip("the kernel's keyring can't be used here:", err)
	}
	if err := k.remove(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.remove() })
	return o, k
}

func TestTheIdentityIsInTheKernelsKeyring(t *testing.T) {
	o, k := newKernelKeyring(t)
	if _, err := k.get(); !errors.Is(err, errNoKey) {
		t.Fatal(err)
	}
	put(t, New(o), copyOf("service-a"))
	if _, err := os.Stat(o.KeyFile); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a file too: %v", err)
	}
	all, err := New(o).All()
	if err != nil || len(all) != 1 || all[0].Sealed != "kernel keyring" {
		t.Errorf("%+v, %v", all, err)
	}
	wantNothingTold(t, o)

	// As after a restart: the key is gone, and a new one doesn't open what the old one did.
	if err := k.remove(); err != nil {
		t.Fatal(err)
	}
	wantNone(t, New(o), subject("service-a"), ErrSealed)
	put(t, New(o), copyOf("service-b"))
	wantNone(t, New(o), subject("service-a"), ErrSealed)
	if err := New(o).Clear(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.get(); !errors.Is(err, errNoKey) {
		t.Errorf("after clear: %v", err)
	}
}

// TestTheKeyringIsOpenToOtherSessions: in a unit of systemd and in some cron jobs the user's keyring isn't linked
// to the session. By default such a process may not read a key, even of the same user.
func TestTheKeyringIsOpenToOtherSessions(t *testing.T) {
	o, k := newKernelKeyring(t)
	put(t, New(o), copyOf("service-a"))
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // this thread ends with its session
		if _, err := unix.KeyctlJoinSessionKeyring(t.Name()); err != nil {
			done <- err
			return
		}
		_, err := k.get()
		done <- err
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestAKeyringThatWorksNowOpensWhatAFileOpened: the first copies were made where there is no keyring.
func TestAKeyringThatWorksNowOpensWhatAFileOpened(t *testing.T) {
	o, k := newKernelKeyring(t)
	without := o
	without.Keyring = false
	put(t, New(without), copyOf("service-a"))
	if _, err := New(o).Get(subject("service-a")); err != nil {
		t.Error(err)
	}
	put(t, New(o), copyOf("service-b"))
	if _, err := k.get(); err != nil {
		t.Error("new copies are sealed to the file:", err)
	}
	for _, service := range []string{"service-a", "service-b"} {
		if _, err := New(o).Get(subject(service)); err != nil {
			t.Errorf("%s: %v", service, err)
		}
	}
	wantNone(t, New(without), subject("service-b"), ErrSealed)
}
