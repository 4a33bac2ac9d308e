package ssm

import (
	"context"

	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/coffer-secrets/coffer/internal/awsconf"
)

// api is the part of the SDK's client that is used here.
type api interface {
	AddTagsToResource(context.Context, *awsssm.AddTagsToResourceInput, ...func(*awsssm.Options)) (*awsssm.AddTagsToResourceOutput, error)
	DeleteParameters(context.Context, *awsssm.DeleteParametersInput, ...func(*awsssm.Options)) (*awsssm.DeleteParametersOutput, error)
	DescribeParameters(context.Context, *awsssm.DescribeParametersInput, ...func(*awsssm.Options)) (*awsssm.DescribeParametersOutput, error)
	GetParameter(context.Context, *awsssm.GetParameterInput, ...func(*awsssm.Options)) (*awsssm.GetParameterOutput, error)
	GetParameterHistory(context.Context, *awsssm.GetParameterHistoryInput, ...func(*awsssm.Options)) (*awsssm.GetParameterHistoryOutput, error)
	GetParameters(context.Context, *awsssm.GetParametersInput, ...func(*awsssm.Options)) (*awsssm.GetParametersOutput, error)
	GetParametersByPath(context.Context, *awsssm.GetParametersByPathInput, ...func(*awsssm.Options)) (*awsssm.GetParametersByPathOutput, error)
	LabelParameterVersion(context.Context, *awsssm.LabelParameterVersionInput, ...func(*awsssm.Options)) (*awsssm.LabelParameterVersionOutput, error)
	ListTagsForResource(context.Context, *awsssm.ListTagsForResourceInput, ...func(*awsssm.Options)) (*awsssm.ListTagsForResourceOutput, error)
	PutParameter(context.Context, *awsssm.PutParameterInput, ...func(*awsssm.Options)) (*awsssm.PutParameterOutput, error)
	RemoveTagsFromResource(context.Context, *awsssm.RemoveTagsFromResourceInput, ...func(*awsssm.Options)) (*awsssm.RemoveTagsFromResourceOutput, error)
}

// once turns off the SDK's retries, for requests that must not be executed twice.
func once(o *awsssm.Options) { o.Retryer = awsconf.Once(o.Retryer) }
