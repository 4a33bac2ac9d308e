//go:build servers && unix

package cmd_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/kmsd"
	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/serverstest"
)

const (
	tableOfServers = "../docs/s3-servers.md"
	beginOfTable   = "<!-- made by make test-servers with COFFER_REWRITE_DOCS=1 -->\n"
)

// listedServer is one of docs/s3-servers.md.
type listedServer struct {
	name, url string
	bucket    func(t testing.TB) string
	versions  bool // its buckets can keep versions
	backend   string
}

func listedServers(t *testing.T) []listedServer {
	t.Helper()
	fake, rclone := serverstest.StartGofakes3(t), serverstest.StartRclone(t)
	versity, minio := serverstest.StartVersity(t), serverstest.StartMinIO(t)
	if err := minio.Keys.Create("alias/app"); err != nil && !errors.Is(err, kmsd.ErrExists) {
		t.Fatal(err)
	}
	moto := mototest.Start(t)
	return []listedServer{
		{"gofakes3 1.2.0", fake.URL, fake.Bucket, true, "s3-kms"},
		{"rclone serve s3 1.76.0", rclone.URL, rclone.Bucket, false, "s3"},
		{"versitygw 1.8.0", versity.URL, versity.Bucket, true, "s3-kms"},
		{"MinIO 2026-02-12", minio.URL, minio.Bucket, true, "s3-kms"},
		{"moto 5.2.1", moto, func(t testing.TB) string {
			client := awsconf.S3(serverstest.Config(t, moto, serverstest.Root()))
			name := "table-" + strings.ToLower(filepath.Base(t.TempDir())) + fmt.Sprint(os.Getpid())
			if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
				t.Fatal(err)
			}
			return name
		}, true, "s3-kms"},
	}
}

// bench is its administrator, with a bucket.
func (s listedServer) bench(t *testing.T, versions bool) *bench {
	t.Helper()
	bucket := s.bucket(t)
	if versions {
		client := awsconf.S3(serverstest.Config(t, s.url, serverstest.Root()))
		if _, err := client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
			Bucket: &bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
		}); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, []byte("allow_unencrypted: true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	root := serverstest.Root()
	return &bench{T: t, env: append(ownEnvironment(dir),
		"PATH="+os.Getenv("PATH"), "AWS_REGION=us-east-1", "COFFER_CONFIG="+config,
		"AWS_ACCESS_KEY_ID="+root.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+root.SecretAccessKey,
		"COFFER_BACKEND="+s.backend, "COFFER_S3_BUCKET="+bucket, "COFFER_KMS_KEY_ALIAS=alias/app", "COFFER_ENDPOINT_URL="+s.url, "COFFER_RETRIES=2",
	)}
}

type serverRow struct{ Check, About, Supported, Text string }

// probeRows are the rows that `coffer doctor --probe` prints of a server.
func probeRows(t *testing.T, s listedServer, versions bool) []serverRow {
	t.Helper()
	b := s.bench(t, versions)
	got := b.run("doctor --probe --json", "")
	var all, rows []serverRow
	if err := json.Unmarshal([]byte(got.stdout), &all); err != nil {
		t.Fatalf("%s: %v\n%s", s.name, err, got.stderr)
	}
	for _, r := range all {
		if r.Check == "server" {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		t.Fatalf("%s: no rows\n%s\n%s", s.name, got.stdout, got.stderr)
	}
	return rows
}

// table is a Markdown table of what servers keep.
func table(t *testing.T, servers []listedServer, versions bool) string {
	t.Helper()
	var names, lines []string
	cells := map[string][]string{}
	var order []string
	for _, s := range servers {
		if versions && !s.versions {
			continue
		}
		names = append(names, s.name)
		for _, r := range probeRows(t, s, versions) {
			if cells[r.About] == nil {
				order = append(order, r.About)
			}
			text := r.Supported
			if r.Supported != "yes" || r.About == "encryption" {
				text += ": " + strings.ReplaceAll(r.Text, "|", "\\|")
			}
			cells[r.About] = append(cells[r.About], text)
		}
	}
	lines = append(lines, "| | "+strings.Join(names, " | ")+" |", "|---"+strings.Repeat("|---", len(names))+"|")
	for _, about := range order {
		lines = append(lines, "| "+about+" | "+strings.Join(cells[about], " | ")+" |")
	}
	return strings.Join(lines, "\n") + "\n"
}

func TestTheTableOfServersIsWhatTheyAnswerOnEachServer(t *testing.T) {
	servers := listedServers(t)
	want := beginOfTable + "\n## Buckets without versions\n\n" + table(t, servers, false) +
		"\n## Buckets that keep versions\n\n" + table(t, servers, true)
	page, err := os.ReadFile(tableOfServers)
	if err != nil {
		t.Fatal(err)
	}
	before, have, found := strings.Cut(string(page), beginOfTable)
	if !found {
		t.Fatalf("%s lacks the line %q", tableOfServers, beginOfTable)
	}
	if os.Getenv("COFFER_REWRITE_DOCS") != "" {
		if err := os.WriteFile(tableOfServers, []byte(before+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got := beginOfTable + have; got != want {
		t.Errorf("docs/s3-servers.md says\n%s\nand the servers answer\n%s", got, want)
	}
}

// What gofakes3 would take for the secret itself is not sent, and the secret stays.
func TestASecretSurvivesEachCommandOnEachServer(t *testing.T) {
	for _, s := range listedServers(t) {
		for _, versions := range []bool{false, true} {
			if versions && !s.versions {
				continue
			}
			t.Run(fmt.Sprintf("%s, versions %v", s.name, versions), func(t *testing.T) {
				survives(t, s, versions)
			})
		}
	}
}

func survives(t *testing.T, s listedServer, versions bool) {
	b := s.bench(t, versions)
	if got := b.run("write team k -", canary); got.exit != 0 {
		if got.exit == 7 && !strings.Contains(got.stderr, canary) {
			return // refused before anything was stored, in a sentence
		}
		t.Fatalf("write: exit code %d\n%s", got.exit, got.stderr)
	}
	b.run("write team other -", canary+"-other")
	for _, line := range []string{
		"tag write team k owner=team", "tag read team k", "tag delete team k owner", "delete --purge --yes team other", "delete --purge --yes team none",
		"restore team other --deleted", "restore team --deleted", "share team k", "share --list", "doctor --probe team", "history team k", "init --yes",
	} {
		got := b.run(line, "")
		if strings.Contains(got.stderr, canary) {
			t.Errorf("%s tells a value", line)
		}
		if read := b.run("read team k -q", ""); read.stdout != canary+"\n" {
			t.Fatalf("after coffer %s (exit code %d, %s) the secret is gone: %s", line, got.exit, got.stderr, read.stderr)
		}
	}
}
