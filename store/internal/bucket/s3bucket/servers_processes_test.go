//go:build servers

package s3bucket_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/internal/testing/serverstest"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
)

// increments is what a process of TestProcessesLoseNoIncrement gets as its input.
type increments struct {
	URL, Bucket, Alias string
	Who                aws.Credentials
}

func TestProcessesLoseNoIncrementOnMinIO(t *testing.T) {
	if isIncrementing(t) {
		return
	}
	m, app, _ := minio(t)
	name := m.Bucket(t)
	countTogether(t, increments{m.URL, name, app, m.Session(t, all(name))})
}

func TestProcessesLoseNoIncrementOnVersitygw(t *testing.T) {
	if isIncrementing(t) {
		return
	}
	v := serverstest.StartVersity(t)
	name := v.Bucket(t)
	countTogether(t, increments{v.URL, name, "alias/app", v.User(t, all(name))})
}

const (
	incrementVariable = "S3BUCKET_TEST_INCREMENT"
	counters          = 20
	incrementsEach    = 5
)

// isIncrementing does the work of another process if this is one. It begins when the
// standard input ends, so that all begin together.
func isIncrementing(t *testing.T) bool {
	t.Helper()
	if os.Getenv(incrementVariable) == "" {
		return false
	}
	var in increments
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &in); err != nil {
		t.Fatal(err)
	}
	b := driver(t, in.URL, in.Bucket, "aws:kms", in.Who)
	for range incrementsEach {
		if err := buckettest.Increment(t.Context(), b, "api/count.json", in.Alias); err != nil {
			t.Fatal(err)
		}
	}
	return true
}

func countTogether(t *testing.T, in increments) {
	t.Helper()
	b := driver(t, in.URL, in.Bucket, "aws:kms", in.Who)
	if _, err := b.Put(t.Context(), "api/count.json", []byte("0"), bucket.PutOptions{KeyAlias: in.Alias}); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var processes [counters]*exec.Cmd
	var inputs [counters]io.WriteCloser
	var outputs [counters]bytes.Buffer
	for i := range processes {
		p := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$")
		p.Env = append(os.Environ(), incrementVariable+"=1")
		p.Stdout, p.Stderr = &outputs[i], &outputs[i]
		if inputs[i], err = p.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		processes[i] = p
	}
	for _, input := range inputs {
		if _, err := input.Write(text); err != nil {
			t.Error(err)
		}
		if err := input.Close(); err != nil {
			t.Error(err)
		}
	}
	for i, p := range processes {
		if err := p.Wait(); err != nil {
			t.Errorf("process %d: %v\n%s", i, err, &outputs[i])
		}
	}
	want := fmt.Sprint(counters * incrementsEach)
	if o, err := b.Get(t.Context(), "api/count.json"); err != nil || string(o.Body) != want {
		t.Errorf("counted %s, error %v, want %s", o.Body, err, want)
	}
}
