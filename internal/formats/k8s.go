package formats

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/coffer-secrets/coffer/store"
)

// Limits of a Kubernetes Secret, in bytes.
const (
	maxK8sKey    = 253
	maxK8sSecret = 1 << 20 // all values together
)

func checkK8s(e entry) string {
	switch {
	case len(e.key) > maxK8sKey:
		return fmt.Sprintf("its key is longer than %d bytes", maxK8sKey)
	case strings.HasPrefix(e.key, ".."):
		return `its key begins with ".."`
	}
	return ""
}

// writeK8s writes a manifest for kubectl apply -f.
func writeK8s(b *bytes.Buffer, entries []entry, o Options) error {
	if len(o.Name) > maxK8sKey || !dnsSubdomain(o.Name) {
		return fmt.Errorf("%w: k8s: the Secret needs a name of lower-case letters, digits, \"-\" and \".\", at most %d bytes", store.ErrInvalid, maxK8sKey)
	}
	data := &yaml.Node{Kind: yaml.MappingNode}
	size := 0
	for _, e := range entries {
		if size += len(e.value); size > maxK8sSecret {
			return &ValueError{Format: "k8s", Key: e.key, Reason: fmt.Sprintf("with it the values exceed %d bytes", maxK8sSecret)}
		}
		data.Content = append(data.Content, yamlKey(e.key), yamlText(base64.StdEncoding.EncodeToString([]byte(e.value))))
	}
	secret := yamlMap(
		"apiVersion", yamlText("v1"),
		"kind", yamlText("Secret"),
		"metadata", yamlMap("name", yamlText(o.Name)),
		"type", yamlText("Opaque"),
		"data", data,
	)
	if o.Immutable {
		secret.Content = append(secret.Content, yamlKey("immutable"), &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"})
	}
	return encodeYAML(b, secret)
}

// yamlMap returns a map of the given keys and nodes, which alternate.
func yamlMap(pairs ...any) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode}
	for i := 0; i+1 < len(pairs); i += 2 {
		key, _ := pairs[i].(string)
		node, _ := pairs[i+1].(*yaml.Node)
		m.Content = append(m.Content, yamlKey(key), node)
	}
	return m
}

// dnsSubdomain reports whether a name is a DNS subdomain (RFC 1123), as Kubernetes requires.
func dnsSubdomain(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || strings.Trim(label, "-") != label || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}
