package app

import (
	"errors"
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/bucketname"
	"github.com/coffer-secrets/coffer/store"
)

// badBucket adds to an error about the bucket's name where the name comes from. Of the command line it is
// a mistake in usage.
func (s *Settings) badBucket(err error) error {
	kind := store.ErrConfiguration
	if strings.HasPrefix(s.Bucket.From, "--") {
		kind = store.ErrInvalid
	}
	return fmt.Errorf("%w: %s: %w", kind, s.Bucket.From, err)
}

// checkBucketAt checks the bucket's name by the rules of the server that has it: Amazon S3 allows fewer
// names than others, and it alone has access points.
func (s *Settings) checkBucketAt(cfg awsconf.Config) error {
	name := s.Bucket.Value
	point, isPoint := bucketname.Parse(name)
	var err error
	switch {
	case !s.Kind().Bucket:
	case awsconf.OtherServer(cfg) == "":
		err = bucketname.CheckAWS(name, cfg.Region)
		if isPoint && point.Region != cfg.Region && !awsconf.UsesARNRegion(cfg) {
			err = &bucketname.NameError{
				Name: name, Reason: "is in " + point.Region + ", but the region is " + cfg.Region, Way: "--region " + point.Region + ", or AWS_S3_USE_ARN_REGION=true",
			}
		}
	case isPoint:
		err = &bucketname.NameError{Name: name, Reason: "is an access point, which only Amazon S3 has", Way: "use the name of a bucket on this server"}
	}
	if err != nil {
		return s.badBucket(err)
	}
	return nil
}

// RefuseAccessPoint returns an error for what needs the bucket itself.
func (s *Settings) RefuseAccessPoint(what string) error {
	if !bucketname.IsAccessPoint(s.Bucket.Value) {
		return nil
	}
	return WithHint(fmt.Errorf("%w: %s is an access point, and %s", store.ErrUnsupported, s.Bucket.Value, what), "use the bucket behind it: --bucket NAME")
}

// errNoARN is the error of a policy for the alias of an access point.
var errNoARN = errors.New("policies name an access point by its ARN, not by its alias")

// RefuseAlias returns an error for the alias of an access point, where its ARN is needed.
func (s *Settings) RefuseAlias() error {
	if _, isPoint := bucketname.Parse(s.Bucket.Value); isPoint || !bucketname.IsAccessPoint(s.Bucket.Value) {
		return nil
	}
	return s.badBucket(WithHint(errNoARN, "--bucket arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME, or the name of the bucket behind it"))
}
