package secretsmanager

import (
	"context"

	awssm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// api is the part of the SDK's client that is used here.
type api interface {
	CreateSecret(context.Context, *awssm.CreateSecretInput, ...func(*awssm.Options)) (*awssm.CreateSecretOutput, error)
	DescribeSecret(context.Context, *awssm.DescribeSecretInput, ...func(*awssm.Options)) (*awssm.DescribeSecretOutput, error)
	GetSecretValue(context.Context, *awssm.GetSecretValueInput, ...func(*awssm.Options)) (*awssm.GetSecretValueOutput, error)
	ListSecretVersionIds(context.Context, *awssm.ListSecretVersionIdsInput, ...func(*awssm.Options)) (*awssm.ListSecretVersionIdsOutput, error)
	ListSecrets(context.Context, *awssm.ListSecretsInput, ...func(*awssm.Options)) (*awssm.ListSecretsOutput, error)
	PutSecretValue(context.Context, *awssm.PutSecretValueInput, ...func(*awssm.Options)) (*awssm.PutSecretValueOutput, error)
	UpdateSecretVersionStage(context.Context, *awssm.UpdateSecretVersionStageInput, ...func(*awssm.Options)) (*awssm.UpdateSecretVersionStageOutput, error)
}
