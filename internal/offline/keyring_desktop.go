//go:build darwin || windows

package offline

import (
	"errors"
	"runtime"
	"time"

	ring "github.com/zalando/go-keyring"
)

// desktopKeyring keeps the identity in the Keychain of macOS or the Credential Manager of Windows. Both
// are open while the user is logged in. A Keychain that is locked may ask, or wait: it is given up then.
type desktopKeyring struct{ service string }

const (
	account  = "coffer"
	patience = 3 * time.Second
)

var errSlow = errors.New("the keyring doesn't answer")

func systemKeyring(description string) keyring { return desktopKeyring{description} }

func (k desktopKeyring) get() (string, error) {
	return within(func() (string, error) { return ring.Get(k.service, account) })
}

func (k desktopKeyring) set(text string) error {
	if now, err := k.get(); err == nil && now == text {
		return nil
	}
	_, err := within(func() (string, error) { return "", ring.Set(k.service, account, text) })
	return err
}

func (k desktopKeyring) remove() error {
	_, err := within(func() (string, error) { return "", ring.Delete(k.service, account) })
	if errors.Is(err, errNoKey) {
		return nil
	}
	return err
}

func (desktopKeyring) String() string {
	if runtime.GOOS == "darwin" {
		return "Keychain"
	}
	return "Credential Manager"
}

// within returns the result of f, or errSlow.
func within(f func() (string, error)) (string, error) {
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := f()
		done <- result{text, err}
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case r := <-done:
		if errors.Is(r.err, ring.ErrNotFound) {
			r.err = errNoKey
		}
		return r.text, r.err
	case <-timer.C:
		return "", errSlow
	}
}
