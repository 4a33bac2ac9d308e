package ssm

import (
	"context"

	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/coffer-secrets/coffer/internal/awsconf"
)

// call is one operation of the service.
type call[In, Out any] func(ctx context.Context, in *In, o ...func(*awsssm.Options)) (*Out, error)

// api holds the operations that are used, not the client. Behind an interface the linker would
// keep all of its 150 operations, 5 MB of them, beyond the bound on the program's size: kong looks
// methods up by name (docs/design/kong-547.md).
type api struct {
	addTagsToResource      call[awsssm.AddTagsToResourceInput, awsssm.AddTagsToResourceOutput]
	deleteParameters       call[awsssm.DeleteParametersInput, awsssm.DeleteParametersOutput]
	describeParameters     call[awsssm.DescribeParametersInput, awsssm.DescribeParametersOutput]
	getParameter           call[awsssm.GetParameterInput, awsssm.GetParameterOutput]
	getParameterHistory    call[awsssm.GetParameterHistoryInput, awsssm.GetParameterHistoryOutput]
	getParameters          call[awsssm.GetParametersInput, awsssm.GetParametersOutput]
	getParametersByPath    call[awsssm.GetParametersByPathInput, awsssm.GetParametersByPathOutput]
	labelParameterVersion  call[awsssm.LabelParameterVersionInput, awsssm.LabelParameterVersionOutput]
	listTagsForResource    call[awsssm.ListTagsForResourceInput, awsssm.ListTagsForResourceOutput]
	putParameter           call[awsssm.PutParameterInput, awsssm.PutParameterOutput]
	removeTagsFromResource call[awsssm.RemoveTagsFromResourceInput, awsssm.RemoveTagsFromResourceOutput]
}

func newAPI(c *awsssm.Client) api {
	return api{
		addTagsToResource:      c.AddTagsToResource,
		deleteParameters:       c.DeleteParameters,
		describeParameters:     c.DescribeParameters,
		getParameter:           c.GetParameter,
		getParameterHistory:    c.GetParameterHistory,
		getParameters:          c.GetParameters,
		getParametersByPath:    c.GetParametersByPath,
		labelParameterVersion:  c.LabelParameterVersion,
		listTagsForResource:    c.ListTagsForResource,
		putParameter:           c.PutParameter,
		removeTagsFromResource: c.RemoveTagsFromResource,
	}
}

// once is an option of requests that must not be obeyed twice.
func once(o *awsssm.Options) { o.Retryer = awsconf.Once(o.Retryer) }
