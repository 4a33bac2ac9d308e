// Package partition knows AWS's partitions: which a region belongs to, how its ARNs begin and
// under which domains its servers are. It is pure. A test holds it against the table of the SDK,
// which the SDK does not export.
package partition

import (
	"slices"
	"strings"
)

// Partition is a group of regions with accounts of their own.
type Partition struct {
	ID     string // as in ARNs: "aws", "aws-cn"
	Suffix string // the domain of its servers
	dual   string // the domain of those that also speak IPv6
	region string // how the names of its regions begin; "" for aws, whose regions are the others
}

var partitions = [...]Partition{
	{"aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn", "cn-"},
	{"aws-us-gov", "amazonaws.com", "api.aws", "us-gov-"},
	{"aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu", "eusc-"},
	{"aws-iso", "c2s.ic.gov", "api.aws.ic.gov", "us-iso-"},
	{"aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud", "us-isob-"},
	{"aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", "eu-isoe-"},
	{"aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov", "us-isof-"},
	{"aws", "amazonaws.com", "api.aws", ""}, // the last: every region begins with ""
}

// Of returns the partition of a region. One that is not known is taken for one of "aws", whose
// regions are too many to list.
func Of(region string) Partition {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.region) {
			return p
		}
	}
	return Partition{} // not reached
}

// IsS3 reports whether a host is one of AWS's S3, VPC endpoints included. What AWS's customers run
// under its domains, such as a machine or a load balancer with a name there, is not.
func IsS3(host string) bool {
	return slices.ContainsFunc(labelsOf(host), func(label string) bool {
		return label == "s3" || strings.HasPrefix(label, "s3-") || strings.HasPrefix(label, "s3express-")
	})
}

// IsAWS reports whether a host is one of any service of AWS's, as [IsS3] does of S3.
func IsAWS(host string) bool { return len(labelsOf(host)) > 0 }

// labelsOf is the name of a host below AWS's domain; nil for one that is not a service of AWS's.
func labelsOf(host string) []string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, p := range partitions {
		for _, domain := range []string{p.Suffix, p.dual} {
			if name, ok := strings.CutSuffix(host, "."+domain); ok {
				if labels := strings.Split(name, "."); !slices.ContainsFunc(labels, ofCustomers) {
					return labels
				}
			}
		}
	}
	return nil
}

func ofCustomers(label string) bool {
	return label == "elb" || label == "compute" || strings.HasPrefix(label, "compute-") || label == "execute-api"
}
