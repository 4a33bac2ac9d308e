package awsconf

// What is tried where nobody says otherwise.
const (
	DefaultRetries   = 10 // attempts of a request, as in chamber
	DefaultRetryMode = "standard"
	PatientRetryMode = "adaptive" // slows down when it is throttled, which Parameter Store does early
)
