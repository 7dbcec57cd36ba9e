// Package awsauth signs the websocket upgrade of AWS IoT Core with Signature Version 4, for devices
// and programs that have AWS credentials instead of a client certificate.
//
//	client := awsiot.NewClient(awsiot.ClientOptions{
//		Endpoint: "xxxx-ats.iot.eu-west-1.amazonaws.com",
//		ClientID: "dashboard",
//		Auth:     awsauth.Websocket("", awsauth.DefaultChain()),
//	})
//
// A provider is an aws.CredentialsProvider of aws-sdk-go-v2: those of this package, or any other, such
// as stscreds of the SDK for an assumed role. It is asked at every attempt to connect, so credentials
// that end are no reason to start a client anew.
//
// [Cognito] gets the credentials of an Amazon Cognito identity, [RoleAlias] those of a role for a device
// with a certificate; both renew them before they end.
package awsauth
