package integrations_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/coffer-secrets/coffer/internal/testing/need"
)

// manifests returns what make manifests builds.
func manifests(t testing.TB) string {
	t.Helper()
	program := filepath.Join(os.Getenv("COFFER_TEST_MANIFESTS"), "manifests")
	if _, err := os.Stat(program); err != nil {
		need.Missing(t, "the reader of manifests", "make manifests builds it")
	}
	return program
}

// TestManifestsHaveTheFieldsOfTheAPI decodes them as a server with strict validation does.
func TestManifestsHaveTheFieldsOfTheAPI(t *testing.T) {
	program, m := manifests(t), newMachine(t)
	secret := m.mustRun("coffer", "export", "--format", "k8s", "--immutable", "api")
	for _, c := range []struct{ text, objects string }{
		{recipe(t, "deployment.yaml"), "Deployment api\n"},
		{recipe(t, "api-secret.yaml"), "ServiceAccount api-secret\nRole api-secret\nRoleBinding api-secret\nCronJob api-secret\n"},
		{secret, "Secret api\n"},
	} {
		if got := m.mustRun(program, "k8s", m.file("manifest.yaml", c.text, 0o600)); got != c.objects {
			t.Errorf("the manifest has\n%s", got)
		}
	}
	wrong := strings.Replace(recipe(t, "deployment.yaml"), "readOnlyRootFilesystem", "readOnlyRootFileSystem", 1)
	if code, output := m.run(program, "k8s", m.file("manifest.yaml", wrong, 0o600)); code != 1 || !strings.Contains(output, "unknown field") {
		t.Errorf("a field in the wrong case: exit code %d\n%s", code, output)
	}
}

// pod has the parts of a pod that the tests run.
type pod struct {
	InitContainers, Containers []struct {
		Name          string
		Command, Args []string
	}
}

// podOf returns the pod of the last object of a manifest, by its path of keys.
func podOf(t *testing.T, manifest string, path ...string) pod {
	t.Helper()
	documents := strings.Split(manifest, "\n---\n")
	var object map[string]any
	if err := yaml.Unmarshal([]byte(documents[len(documents)-1]), &object); err != nil {
		t.Fatal(err)
	}
	for _, key := range path {
		object, _ = object[key].(map[string]any)
	}
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var p pod
	if err := json.Unmarshal(text, &p); err != nil || len(p.Containers) != 1 {
		t.Fatalf("%d containers, %v", len(p.Containers), err)
	}
	return p
}

// TestAnInitContainerBringsCoffer runs the commands of the pod one after the other, as the kubelet does.
func TestAnInitContainerBringsCoffer(t *testing.T) {
	m := newMachine(t)
	m.store("api-migrations", map[string]string{"owner_password": "canary-owner"})
	paths := strings.NewReplacer("/opt/coffer/", m.home+"/opt/", "/coffer", m.program,
		"/migrate", m.file("migrate", "#!/bin/sh\nenv -0 > migrate.env\n", 0o700),
		"/server", m.file("server", "#!/bin/sh\nenv -0 > server.env\n", 0o700))
	if err := os.Mkdir(filepath.Join(m.home, "opt"), 0o700); err != nil {
		t.Fatal(err)
	}
	p := podOf(t, recipe(t, "deployment.yaml"), "spec", "template", "spec")
	if copied := "COPY --from=ghcr.io/coffer-secrets/coffer:0.1.0 /usr/local/bin/coffer " + p.InitContainers[0].Command[1]; !strings.Contains(recipe(t, "Dockerfile for copying"), copied) {
		t.Error("the image has coffer at another path than the manifest")
	}
	for _, c := range slices.Concat(p.InitContainers, p.Containers) {
		command := slices.Clone(c.Command)
		for i := range command {
			command[i] = paths.Replace(command[i])
		}
		hidden(t, m.mustRun(command[0], command[1:]...))
	}
	migrate := variables(t, filepath.Join(m.home, "migrate.env"))
	absent(t, migrate)
	if migrate["OWNER_PASSWORD"] != "canary-owner" {
		t.Error("the migration doesn't have its secret")
	}
	server := variables(t, filepath.Join(m.home, "server.env"))
	arrived(t, server)
	if _, ok := server["OWNER_PASSWORD"]; ok {
		t.Error("the program has the secret of the migration")
	}
}

// cluster is an API server that knows Secrets alone, and keeps what it was sent.
type cluster struct {
	requests []string // but for discovery
	secret   struct {
		Metadata  struct{ Name string }
		Data      map[string]string
		Immutable bool
	}
}

// newCluster has kubectl on the machine's PATH talk to it. The server has no OpenAPI schema, so kubectl
// validates nothing.
func newCluster(t *testing.T, m *machine) *cluster {
	t.Helper()
	kubectl := need.Program(t, "kubectl", "apt-get install kubernetes-client")
	c := new(cluster)
	discovery := map[string]string{
		"/api":    `{"kind":"APIVersions","versions":["v1"]}`,
		"/apis":   `{"kind":"APIGroupList","apiVersion":"v1","groups":[]}`,
		"/api/v1": `{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"secrets","singularName":"secret","namespaced":true,"kind":"Secret","verbs":["create","get","patch"]}]}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if answer, ok := discovery[r.URL.Path]; ok {
			io.WriteString(w, answer)
			return
		}
		if !strings.HasPrefix(r.URL.Path, "/api/v1/") {
			http.NotFound(w, r)
			return
		}
		c.requests = append(c.requests, r.Method+" "+r.URL.Path)
		var object any
		body, err := io.ReadAll(r.Body)
		if err != nil || yaml.Unmarshal(body, &object) != nil || yaml.Unmarshal(body, &c.secret) != nil {
			http.Error(w, "{}", http.StatusBadRequest)
			return
		}
		json.NewEncoder(w).Encode(object)
	}))
	t.Cleanup(server.Close)
	m.file(".kube/config", `{"clusters": [{"name": "c", "cluster": {"server": "`+server.URL+`"}}], "contexts": [{"name": "c", "context": {"cluster": "c"}}], "current-context": "c"}`, 0o600)
	bin := filepath.Dir(m.file("bin/kubectl", "#!/bin/sh\nexec "+kubectl+" \"$@\" --validate=false\n", 0o700))
	for i, v := range m.env {
		m.env[i] = strings.Replace(v, "PATH=", "PATH="+bin+":", 1)
	}
	return c
}

// stored fails the test unless the Secret has the canaries.
func (c *cluster) stored(t *testing.T) {
	t.Helper()
	got := map[string]string{}
	for key, value := range c.secret.Data {
		text, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			t.Fatal(err)
		}
		got[key] = string(text)
	}
	if diff := cmp.Diff(canaries, got); diff != "" {
		t.Error(diff)
	}
}

// TestACronJobAppliesTheSecret: with one PATCH of the Secret that the Role names. Its right to create
// it is checked for that request as well, with its name.
func TestACronJobAppliesTheSecret(t *testing.T) {
	m := newMachine(t)
	c := newCluster(t, m)
	p := podOf(t, recipe(t, "api-secret.yaml"), "spec", "jobTemplate", "spec", "template", "spec")
	if err := os.Mkdir(filepath.Join(m.home, "secret"), 0o700); err != nil {
		t.Fatal(err)
	}
	var output strings.Builder
	for _, container := range slices.Concat(p.InitContainers, p.Containers) {
		args := slices.Clone(container.Args)
		for i := range args {
			args[i] = strings.Replace(args[i], "/secret/", m.home+"/secret/", 1)
		}
		output.WriteString(m.mustRunOnPath(container.Name, args...))
	}
	hidden(t, output.String())
	if diff := cmp.Diff([]string{"PATCH /api/v1/namespaces/default/secrets/api"}, c.requests); diff != "" {
		t.Error(diff)
	}
	c.stored(t)
}

// mustRunOnPath is mustRun for a program of the machine's own PATH.
func (m *machine) mustRunOnPath(name string, args ...string) string {
	m.t.Helper()
	return m.mustRun("sh", append([]string{"-c", `exec "$0" "$@"`, name}, args...)...)
}

func TestASecretOfAReleaseIsCreated(t *testing.T) {
	m := newMachine(t)
	c := newCluster(t, m)
	hidden(t, m.mustRun("sh", "-c", recipe(t, "a Secret for each release")))
	if diff := cmp.Diff([]string{"POST /api/v1/namespaces/default/secrets"}, c.requests); diff != "" {
		t.Error(diff)
	}
	if !c.secret.Immutable || c.secret.Metadata.Name != "api-1.2.3" {
		t.Errorf("%q is immutable: %v", c.secret.Metadata.Name, c.secret.Immutable)
	}
	c.stored(t)
}
