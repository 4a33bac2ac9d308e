// Package partition has the table of AWS's partitions: their regions, their ARNs and the domains of
// their servers. The SDK has such a table but doesn't export it; a test compares the two.
package partition

import (
	"slices"
	"strings"
)

// Partition is a group of AWS regions with separate accounts.
type Partition struct {
	ID     string // as in ARNs: "aws", "aws-cn"
	Suffix string // the domain of its servers
	dual   string // the domain of its dual-stack servers (IPv4 and IPv6)
	region string // the prefix of its regions; "" for "aws", which has all other regions
}

var partitions = [...]Partition{
	{"aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn", "cn-"},
	{"aws-us-gov", "amazonaws.com", "api.aws", "us-gov-"},
	{"aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu", "eusc-"},
	{"aws-iso", "c2s.ic.gov", "api.aws.ic.gov", "us-iso-"},
	{"aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud", "us-isob-"},
	{"aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", "eu-isoe-"},
	{"aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov", "us-isof-"},
	{"aws", "amazonaws.com", "api.aws", ""}, // must be last, as its prefix matches every region
}

// Of returns the partition of a region; "aws" for an unknown region.
func Of(region string) Partition {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.region) {
			return p
		}
	}
	return Partition{} // not reached
}

// IsS3 reports whether a host is a server of Amazon S3, including VPC endpoints. Hosts of customers in
// AWS's domains, such as virtual machines and load balancers, are not.
func IsS3(host string) bool {
	return slices.ContainsFunc(labelsOf(host), func(label string) bool {
		return label == "s3" || strings.HasPrefix(label, "s3-") || strings.HasPrefix(label, "s3express-")
	})
}

// IsAWS reports whether a host is a server of any AWS service, with the same exceptions as [IsS3].
func IsAWS(host string) bool { return len(labelsOf(host)) > 0 }

// labelsOf returns the labels of a host before AWS's domain; nil if it isn't a server of AWS.
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

// ofCustomers reports whether a label is one of the names that AWS gives to hosts of customers.
func ofCustomers(label string) bool {
	return label == "elb" || label == "compute" || strings.HasPrefix(label, "compute-") || label == "execute-api"
}
