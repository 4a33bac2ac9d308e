package secretsmanager

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// chamber follows the rules by which chamber v3 reads and writes Secrets Manager.
type chamber struct {
	t      *testing.T
	client *awssm.Client
}

type chamberMeta struct {
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"created_by"`
	Version   int       `json:"version"`
}

// read returns the object and its metadata; chamber takes values for strings.
func (c chamber) read(in *awssm.GetSecretValueInput) (map[string]string, map[string]chamberMeta) {
	c.t.Helper()
	out, err := c.client.GetSecretValue(c.t.Context(), in)
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		c.t.Fatal(err)
	}
	object, metadata := map[string]string{}, map[string]chamberMeta{}
	if err := json.Unmarshal([]byte(aws.ToString(out.SecretString)), &object); err != nil {
		c.t.Fatal(err)
	}
	if raw, ok := object[metadataKey]; ok {
		if err := json.Unmarshal([]byte(raw), &metadata); err != nil {
			c.t.Fatal(err)
		}
	}
	return object, metadata
}

func (c chamber) latest(service string) (map[string]string, map[string]chamberMeta) {
	c.t.Helper()
	return c.read(&awssm.GetSecretValueInput{SecretId: aws.String(service)})
}

// versions returns a key's values by version, as chamber finds them for read -v.
func (c chamber) versions(service, key string) map[int]string {
	c.t.Helper()
	list, err := c.client.ListSecretVersionIds(c.t.Context(), &awssm.ListSecretVersionIdsInput{
		SecretId: aws.String(service), IncludeDeprecated: aws.Bool(false),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	found := map[int]string{}
	for _, v := range list.Versions {
		if len(v.VersionStages) == 0 {
			continue // moto lists deprecated versions all the same
		}
		object, metadata := c.read(&awssm.GetSecretValueInput{SecretId: aws.String(service), VersionId: v.VersionId})
		if m, ok := metadata[key]; ok {
			found[m.Version] = object[key]
		}
	}
	return found
}

// write stores a value; "" removes the key.
func (c chamber) write(service, key, value string) {
	c.t.Helper()
	object, metadata := c.latest(service)
	create := object == nil
	if create {
		object, metadata = map[string]string{}, map[string]chamberMeta{}
	}
	m := chamberMeta{Version: 1, Created: moment, CreatedBy: "chamber"}
	if old, ok := metadata[key]; ok {
		m.Version = old.Version + 1
	}
	object[key], metadata[key] = value, m
	if value == "" {
		delete(object, key)
		delete(metadata, key)
	}
	raw, _ := json.Marshal(metadata)
	object[metadataKey] = string(raw)
	text, _ := json.Marshal(object)
	var err error
	if create {
		_, err = c.client.CreateSecret(c.t.Context(), &awssm.CreateSecretInput{Name: aws.String(service), SecretString: aws.String(string(text))})
	} else {
		_, err = c.client.PutSecretValue(c.t.Context(), &awssm.PutSecretValueInput{
			SecretId: aws.String(service), SecretString: aws.String(string(text)),
			VersionStages: []string{stageCurrent, fmt.Sprintf("CHAMBER%d", m.Version)},
		})
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c chamber) keys(service string) []string {
	c.t.Helper()
	object, _ := c.latest(service)
	delete(object, metadataKey)
	return slices.Sorted(maps.Keys(object))
}
