package dirbucket_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// fill makes n objects api/key0.json...
func (h home) fill(t testing.TB, n int) {
	t.Helper()
	h.put(t, "api/key0.json", canary)
	sealed, err := os.ReadFile(h.file("api/key0.json"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < n; i++ {
		if err := os.WriteFile(h.file(fmt.Sprintf("api/key%d.json", i)), sealed, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestListingsOfManyObjectsMissNoneThatIsReplaced(t *testing.T) {
	h := newHome(t)
	if dir, err := os.MkdirTemp("/dev/shm", "dirbucket"); err == nil { //nolint:usetesting // not t.TempDir: tmpfs moves replaced files to the end
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		h.Dir = dir
	}
	const n = 1500
	h.fill(t, n)
	b, listed, replaced := h.open(), make(chan struct{}), make(chan error)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-listed:
				replaced <- nil
				return
			default:
			}
			_, err := b.Put(t.Context(), fmt.Sprintf("api/key%d.json", i*7%n), []byte(canary), bucket.PutOptions{})
			if err != nil {
				<-listed
				replaced <- err
				return
			}
		}
	}()
	for range 10 {
		if got := len(names(t, b, "api/")); got != n {
			t.Errorf("a listing shows %d objects, want %d", got, n)
		}
	}
	close(listed)
	if err := <-replaced; err != nil {
		t.Error(err)
	}
}
