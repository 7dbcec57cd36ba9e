// Package control serves AWS's own REST APIs of AWS IoT Core to the aws CLI and the SDKs: it tells by the service in the
// credential scope of a request's signature which API is meant, verifies that signature, finds the operation in a table, reads
// and checks its fields, and writes answers, refusals and pages in AWS's shape. What operations do is up to their handlers, which
// the table names (see [New]). An operation of the API without a handler is answered with 501 and its name.
//
// Without credentials to compare with, any signature is taken, and none; a request that says no service is one of the first
// service that has its method and path. Pages of other origins get nothing, nor do requests that ask for another host than the
// endpoint's: a browser could be made to send those.
package control
