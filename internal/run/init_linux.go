package run

import (
	"os"

	"github.com/coffer-secrets/coffer/internal/app"
)

// IsInit reports whether this is process 1, as the entrypoint of a container is. Processes whose parent has ended
// are its children then, and it has to wait for them, or each stays as a zombie.
func IsInit() bool { return os.Getpid() == 1 }

// Init runs this program again, as a child, with the same arguments. It passes signals on to it, and waits for
// all children of process 1. The program itself can't do that: it would take the exit status of its own helpers,
// such as a credential process, from those who wait for them. Init returns as [Parent.Run] does.
func Init(a *app.App) error {
	p := &program{Parent: &Parent{}, hiding: &hiding{}, a: a, path: "/proc/self/exe", argv: os.Args, env: a.Environ}
	if err := p.connect(); err != nil {
		return err
	}
	status, err := p.run(p.catch())
	if err != nil {
		return err
	}
	return status.end()
}
