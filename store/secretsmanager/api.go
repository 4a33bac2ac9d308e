package secretsmanager

import (
	"context"

	awssm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// call is one operation of the service.
type call[In, Out any] func(ctx context.Context, in *In, o ...func(*awssm.Options)) (*Out, error)

// api holds the operations that are used, not the client: a client within reach of an
// interface makes the linker keep all of its operations.
type api struct {
	createSecret             call[awssm.CreateSecretInput, awssm.CreateSecretOutput]
	describeSecret           call[awssm.DescribeSecretInput, awssm.DescribeSecretOutput]
	getSecretValue           call[awssm.GetSecretValueInput, awssm.GetSecretValueOutput]
	listSecretVersionIDs     call[awssm.ListSecretVersionIdsInput, awssm.ListSecretVersionIdsOutput]
	listSecrets              call[awssm.ListSecretsInput, awssm.ListSecretsOutput]
	putSecretValue           call[awssm.PutSecretValueInput, awssm.PutSecretValueOutput]
	updateSecretVersionStage call[awssm.UpdateSecretVersionStageInput, awssm.UpdateSecretVersionStageOutput]
}

func newAPI(c *awssm.Client) api {
	return api{
		createSecret:             c.CreateSecret,
		describeSecret:           c.DescribeSecret,
		getSecretValue:           c.GetSecretValue,
		listSecretVersionIDs:     c.ListSecretVersionIds,
		listSecrets:              c.ListSecrets,
		putSecretValue:           c.PutSecretValue,
		updateSecretVersionStage: c.UpdateSecretVersionStage,
	}
}
