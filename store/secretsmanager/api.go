package secretsmanager

import (
	"context"

	awssm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// api is the part of the SDK's client that is used here. It has functions, and not the methods of an
// interface, because the linker keeps all operations of a client that is in an interface
// (docs/design/kong-547.md).
type api struct {
	CreateSecret             operation[awssm.CreateSecretInput, awssm.CreateSecretOutput]
	DescribeSecret           operation[awssm.DescribeSecretInput, awssm.DescribeSecretOutput]
	GetSecretValue           operation[awssm.GetSecretValueInput, awssm.GetSecretValueOutput]
	ListSecretVersionIDs     operation[awssm.ListSecretVersionIdsInput, awssm.ListSecretVersionIdsOutput]
	ListSecrets              operation[awssm.ListSecretsInput, awssm.ListSecretsOutput]
	PutSecretValue           operation[awssm.PutSecretValueInput, awssm.PutSecretValueOutput]
	UpdateSecretVersionStage operation[awssm.UpdateSecretVersionStageInput, awssm.UpdateSecretVersionStageOutput]
}

// operation is one operation of the client.
type operation[In, Out any] func(context.Context, *In, ...func(*awssm.Options)) (*Out, error)

// operationsOf returns the operations of a client.
func operationsOf(c *awssm.Client) api {
	return api{
		CreateSecret:             c.CreateSecret,
		DescribeSecret:           c.DescribeSecret,
		GetSecretValue:           c.GetSecretValue,
		ListSecretVersionIDs:     c.ListSecretVersionIds,
		ListSecrets:              c.ListSecrets,
		PutSecretValue:           c.PutSecretValue,
		UpdateSecretVersionStage: c.UpdateSecretVersionStage,
	}
}
