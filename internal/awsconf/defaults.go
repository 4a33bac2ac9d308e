package awsconf

// The defaults of retries.
const (
	DefaultRetries   = 10 // attempts of a request, as in chamber
	DefaultRetryMode = "standard"
	PatientRetryMode = "adaptive" // slows down when throttled; Parameter Store throttles early
)
