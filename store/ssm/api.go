package ssm

import (
	"context"

	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/coffer-secrets/coffer/internal/awsconf"
)

// api is the part of the SDK's client that is used here.
//
// It has functions, and not the methods of an interface, because the linker keeps all 150 operations of a
// client that is in an interface: 5 MB (docs/design/kong-547.md).
type api struct {
	AddTagsToResource      operation[awsssm.AddTagsToResourceInput, awsssm.AddTagsToResourceOutput]
	DeleteParameters       operation[awsssm.DeleteParametersInput, awsssm.DeleteParametersOutput]
	DescribeParameters     operation[awsssm.DescribeParametersInput, awsssm.DescribeParametersOutput]
	GetParameter           operation[awsssm.GetParameterInput, awsssm.GetParameterOutput]
	GetParameterHistory    operation[awsssm.GetParameterHistoryInput, awsssm.GetParameterHistoryOutput]
	GetParameters          operation[awsssm.GetParametersInput, awsssm.GetParametersOutput]
	GetParametersByPath    operation[awsssm.GetParametersByPathInput, awsssm.GetParametersByPathOutput]
	LabelParameterVersion  operation[awsssm.LabelParameterVersionInput, awsssm.LabelParameterVersionOutput]
	ListTagsForResource    operation[awsssm.ListTagsForResourceInput, awsssm.ListTagsForResourceOutput]
	PutParameter           operation[awsssm.PutParameterInput, awsssm.PutParameterOutput]
	RemoveTagsFromResource operation[awsssm.RemoveTagsFromResourceInput, awsssm.RemoveTagsFromResourceOutput]
}

// operation is one operation of the client.
type operation[In, Out any] func(context.Context, *In, ...func(*awsssm.Options)) (*Out, error)

// operationsOf returns the operations of a client.
func operationsOf(c *awsssm.Client) api {
	return api{
		AddTagsToResource:      c.AddTagsToResource,
		DeleteParameters:       c.DeleteParameters,
		DescribeParameters:     c.DescribeParameters,
		GetParameter:           c.GetParameter,
		GetParameterHistory:    c.GetParameterHistory,
		GetParameters:          c.GetParameters,
		GetParametersByPath:    c.GetParametersByPath,
		LabelParameterVersion:  c.LabelParameterVersion,
		ListTagsForResource:    c.ListTagsForResource,
		PutParameter:           c.PutParameter,
		RemoveTagsFromResource: c.RemoveTagsFromResource,
	}
}

// once turns off the SDK's retries, for requests that must not be executed twice.
func once(o *awsssm.Options) { o.Retryer = awsconf.Once(o.Retryer) }
