package project

import (
	"bytes"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// SchemaURL is where editors find the JSON Schema of the file.
const SchemaURL = "https://raw.githubusercontent.com/coffer-secrets/coffer/main/docs/coffer.schema.json"

const head = `# The secrets that this program needs (coffer help check). No values are stored here.
# yaml-language-server: $schema=` + SchemaURL + "\n"

const tail = `
# More about a key (types: ` + "%TYPES%" + `):
#   port: {type: port, optional: true, variable: LISTEN_PORT, description: Where the server listens.}
#
# Variables that are built from secrets:
# variables:
#   DATABASE_URL: "postgres://app:{{ coffer://%SERVICE%/db_password | url }}@db/app"
`

// Draft returns a file that needs all keys of services, which are at least one.
func Draft(services []Listing) ([]byte, error) {
	names, keys := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}, &yaml.Node{Kind: yaml.MappingNode}
	var all []string
	for _, s := range services {
		names.Content = append(names.Content, text(s.Service))
		all = append(all, s.Keys...)
	}
	slices.Sort(all)
	for _, key := range slices.Compact(all) {
		keys.Content = append(keys.Content, text(key), &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle})
	}
	var body bytes.Buffer
	encoder := yaml.NewEncoder(&body)
	encoder.SetIndent(2)
	if err := encoder.Encode(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{text("services"), names, text("keys"), keys}}); err != nil {
		return nil, err
	}
	more := strings.NewReplacer("%TYPES%", strings.Join(TypeNames(), ", "), "%SERVICE%", services[0].Service).Replace(tail)
	return []byte(head + body.String() + more), nil
}

// text returns a node that is a string in every version of YAML.
func text(value string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	switch strings.ToLower(value) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		n.Style = yaml.DoubleQuotedStyle
	}
	if strings.Trim(value, letters+"0123456789_-") != "" || !strings.Contains(letters, value[:1]) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
