// Package cognito stands in for Amazon Cognito identity pools (federated identities): GetId and
// GetCredentialsForIdentity over HTTP, in the JSON 1.1 protocol of AWS
// (https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/Welcome.html).
//
//	broker := iotlocal.StartT(t, iotlocal.Options{Credentials: ...})
//	pools := cognito.StartT(t, cognito.Options{Issued: func(c cognito.Credentials) {
//		broker.SetCredentials(map[string]iotlocal.Credential{c.AccessKeyID: {SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}})
//	}})
//	pools.AddPool("eu-west-1:pool", true)
//	// point the client at pools.URL(), for AWS's SDKs and tools with AWS_ENDPOINT_URL_COGNITO_IDENTITY
//
// A pool takes guests (unauthenticated identities) or not; logins are taken at their word, a token is whatever
// [Server.AddLogin] says it is. Identities are made once per pool and login; guests get a new one each time.
package cognito
