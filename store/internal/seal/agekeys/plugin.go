package agekeys

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"filippo.io/age"
	"filippo.io/age/plugin"
)

// pluginIdentity runs a plugin to open a file.
type pluginIdentity struct {
	name, text string
	ui         UI
}

// Unwrap implements [age.Identity].
func (i pluginIdentity) Unwrap(stanzas []*age.Stanza) (key []byte, err error) {
	err = i.ui.run(i.name, func(ui *plugin.ClientUI) error {
		id, err := plugin.NewIdentity(i.text, ui)
		if err == nil {
			key, err = id.Unwrap(stanzas)
		}
		return err
	})
	return key, err
}

// pluginRecipient runs a plugin to seal to one of its recipients.
type pluginRecipient struct {
	name, text string
	ui         UI
}

// Wrap implements [age.Recipient].
func (r pluginRecipient) Wrap(fileKey []byte) (stanzas []*age.Stanza, err error) {
	err = r.ui.run(r.name, func(ui *plugin.ClientUI) error {
		to, err := plugin.NewRecipient(r.text, ui)
		if err == nil {
			stanzas, err = to.Wrap(fileKey)
		}
		return err
	})
	return stanzas, err
}

// run runs a plugin, for as long as it shows life. age gives no hold of the plugin's process: one that
// hangs loses its pipes when this process ends.
func (u UI) run(name string, work func(*plugin.ClientUI) error) error {
	c := &conversation{ui: u, name: name, wait: u.Wait}
	if c.wait == 0 {
		c.wait = defaultWait
	}
	done, late := make(chan error, 1), make(chan struct{}, 1)
	c.timer = time.AfterFunc(c.wait, func() {
		select {
		case late <- struct{}{}:
		default:
		}
	})
	defer c.timer.Stop()
	go func() { done <- work(c.client()) }()
	select {
	case err := <-done:
		return c.explain(err)
	case <-late:
		return fmt.Errorf("age-plugin-%s did nothing for %s", name, c.wait)
	case <-u.Done:
		return fmt.Errorf("interrupted while waiting for age-plugin-%s", name)
	}
}

// conversation is what a plugin and a person say to one another. While the person is asked, the clock
// of the plugin stands still.
type conversation struct {
	ui    UI
	name  string
	wait  time.Duration
	timer *time.Timer

	mu      sync.Mutex
	refused string // what the plugin asked for when nobody could be asked
}

func (c *conversation) client() *plugin.ClientUI {
	return &plugin.ClientUI{
		DisplayMessage: func(_, message string) error {
			c.timer.Reset(c.wait)
			c.ui.notice("age-plugin-%s: %s", c.name, message)
			return nil
		},
		RequestValue: func(_, prompt string, secret bool) (string, error) {
			ask := c.ui.Line
			if secret {
				ask = c.ui.Secret
			}
			if ask == nil {
				return "", c.refuse(prompt)
			}
			defer c.pause()()
			return ask(fmt.Sprintf("age-plugin-%s: %s: ", c.name, prompt))
		},
		Confirm: func(_, prompt, yes, no string) (bool, error) {
			if c.ui.Confirm == nil {
				return false, c.refuse(prompt)
			}
			defer c.pause()()
			return c.ui.Confirm(fmt.Sprintf("age-plugin-%s: %s", c.name, prompt), yes, no)
		},
		WaitTimer: func(string) { c.ui.notice("waiting for age-plugin-%s", c.name) },
	}
}

func (c *conversation) pause() (resume func()) {
	c.timer.Stop()
	return func() { c.timer.Reset(c.wait) }
}

func (c *conversation) refuse(prompt string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = prompt
	return ErrNotAsked
}

// explain returns what went wrong. If a plugin fails because it couldn't ask, that is the reason,
// whatever it says.
func (c *conversation) explain(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	missing := (*plugin.NotFoundError)(nil)
	switch {
	case err == nil || errors.Is(err, age.ErrIncorrectIdentity):
		return err
	case errors.As(err, &missing):
		return fmt.Errorf("age-plugin-%s is not installed: it must be in PATH", c.name)
	case c.refused != "":
		return fmt.Errorf("age-plugin-%s asks %q, and %w", c.name, c.refused, ErrNotAsked)
	}
	return fmt.Errorf("age-plugin-%s failed: %w", c.name, err)
}
