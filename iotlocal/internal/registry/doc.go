// Package registry keeps what an account of AWS IoT knows of its devices: things with their types, groups and attributes,
// certificates and their statuses, policies with their versions, and who is attached to what. It decides nothing: the control API
// and fleet provisioning change it, the policies of connections read it.
//
// Principals are the ids of certificates, and whatever else a connection may be known by: an access key id, a Cognito identity.
// Targets of policies are principals and groups, which [GroupTarget] tells apart.
//
// Every change is one transaction under one lock, checked before anything of it is done. [State] is all of it, as JSON.
package registry
