package dirbucket

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/coffer-secrets/coffer/internal/waiting"
)

// lock waits until this caller holds the named lock of the store exclusively, among all goroutines
// and processes, or until ctx ends. The lock is held until unlock is called.
func lock(ctx context.Context, root *os.Root, name string) (unlock func(), err error) {
	file := path.Join(lockDir, name)
	f, err := root.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err := root.Mkdir(lockDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		f, err = root.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	}
	if err != nil {
		return nil, err
	}
	return hold(ctx, f)
}

// lockExisting is lock for a reader. If no writer has created the lock yet, or the caller has no
// permission for it, it returns at once without it.
func lockExisting(ctx context.Context, root *os.Root, name string) (unlock func(), err error) {
	f, err := root.OpenFile(path.Join(lockDir, name), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	return hold(ctx, f)
}

// hold locks the file f and returns the function that unlocks it. That function also closes f.
func hold(ctx context.Context, f *os.File) (func(), error) {
	release := func() {
		unlockFile(f)
		shut(f)
	}
	if tryLockFile(f) {
		return release, nil
	}
	wait := waiting.Begin(ctx, "the lock "+f.Name()+", which another process holds")
	defer wait.End(waiting.Done)
	locked := make(chan error, 1)
	go func() { locked <- lockFile(f) }()
	select {
	case err := <-locked:
		if err != nil {
			shut(f)
			return nil, err
		}
		return release, nil
	case <-ctx.Done():
		go func() { // the system call cannot be cancelled
			if <-locked == nil {
				release()
			} else {
				shut(f)
			}
		}()
		return nil, ctx.Err()
	}
}
