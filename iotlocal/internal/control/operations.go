package control

// Operations is AWS IoT's control API (service iot, API version 2015-05-28) as far as it has handlers here: name, method, path,
// then the fields that it takes, as [?|@|*]NAME[=WIRE]:TYPE[!]. A field is a part of the path when that has its name, a parameter
// of the query behind ?, a header behind @, the whole body behind *, else a member of it; WIRE is its name there when it is another one; ! is a
// field that must be there. The types are those of types.
const Operations = `
# Things, their types and groups
AddThingToThingGroup PUT /thing-groups/addThingToThingGroup thingGroupName:name thingGroupArn:text thingName:name thingArn:text overrideDynamicGroups:bool
CreateThing POST /things/{thingName} thingName:name! thingTypeName:name attributePayload:object billingGroupName:name
CreateThingGroup POST /thing-groups/{thingGroupName} thingGroupName:name! parentGroupName:name thingGroupProperties:object
CreateThingType POST /thing-types/{thingTypeName} thingTypeName:name! thingTypeProperties:object
DeleteThing DELETE /things/{thingName} thingName:name! ?expectedVersion:int
DeleteThingGroup DELETE /thing-groups/{thingGroupName} thingGroupName:name! ?expectedVersion:int
DeleteThingType DELETE /thing-types/{thingTypeName} thingTypeName:name!
DeprecateThingType POST /thing-types/{thingTypeName}/deprecate thingTypeName:name! undoDeprecate:bool
DescribeThing GET /things/{thingName} thingName:name!
DescribeThingGroup GET /thing-groups/{thingGroupName} thingGroupName:name!
DescribeThingType GET /thing-types/{thingTypeName} thingTypeName:name!
ListThingGroups GET /thing-groups ?nextToken:text ?maxResults:page ?parentGroup:name ?namePrefixFilter:name ?recursive:bool
ListThingGroupsForThing GET /things/{thingName}/thing-groups thingName:name! ?nextToken:text ?maxResults:page
ListThingTypes GET /thing-types ?nextToken:text ?maxResults:page ?thingTypeName:name
ListThings GET /things ?nextToken:text ?maxResults:page ?attributeName:attribute ?attributeValue:value ?thingTypeName:name ?usePrefixAttributeValue:bool
ListThingsInThingGroup GET /thing-groups/{thingGroupName}/things thingGroupName:name! ?recursive:bool ?nextToken:text ?maxResults:page
RemoveThingFromThingGroup PUT /thing-groups/removeThingFromThingGroup thingGroupName:name thingGroupArn:text thingName:name thingArn:text
UpdateThing PATCH /things/{thingName} thingName:name! thingTypeName:name attributePayload:object expectedVersion:int removeThingType:bool
UpdateThingGroup PATCH /thing-groups/{thingGroupName} thingGroupName:name! thingGroupProperties:object! expectedVersion:int
UpdateThingGroupsForThing PUT /thing-groups/updateThingGroupsForThing thingName:name thingGroupsToAdd:list thingGroupsToRemove:list overrideDynamicGroups:bool

# Certificates, and what is attached to things
AttachThingPrincipal PUT /things/{thingName}/principals thingName:name! @principal=x-amzn-principal:filled!
CreateCertificateFromCsr POST /certificates certificateSigningRequest:csr! ?setAsActive:bool
CreateKeysAndCertificate POST /keys-and-certificate ?setAsActive:bool
DeleteCertificate DELETE /certificates/{certificateId} certificateId:certificate! ?forceDelete:bool
DescribeCertificate GET /certificates/{certificateId} certificateId:certificate!
DetachThingPrincipal DELETE /things/{thingName}/principals thingName:name! @principal=x-amzn-principal:filled!
ListCertificates GET /certificates ?pageSize:page ?marker:text ?ascendingOrder=isAscendingOrder:bool
ListPrincipalThings GET /principals/things ?nextToken:text ?maxResults:page @principal=x-amzn-principal:filled!
ListThingPrincipals GET /things/{thingName}/principals ?nextToken:text ?maxResults:page thingName:name!
RegisterCertificate POST /certificate/register certificatePem:pem! caCertificatePem:pem ?setAsActive:bool status:certstatus
RegisterCertificateWithoutCA POST /certificate/register-no-ca certificatePem:pem! status:certstatus
UpdateCertificate PUT /certificates/{certificateId} certificateId:certificate! ?newStatus:certstatus!

# Policies
AttachPolicy PUT /target-policies/{policyName} policyName:policy! target:filled!
AttachPrincipalPolicy PUT /principal-policies/{policyName} policyName:policy! @principal=x-amzn-iot-principal:filled!
CreatePolicy POST /policies/{policyName} policyName:policy! policyDocument:document!
CreatePolicyVersion POST /policies/{policyName}/version policyName:policy! policyDocument:document! ?setAsDefault:bool
DeletePolicy DELETE /policies/{policyName} policyName:policy!
DeletePolicyVersion DELETE /policies/{policyName}/version/{policyVersionId} policyName:policy! policyVersionId:digits!
DetachPolicy POST /target-policies/{policyName} policyName:policy! target:filled!
DetachPrincipalPolicy DELETE /principal-policies/{policyName} policyName:policy! @principal=x-amzn-iot-principal:filled!
GetEffectivePolicies POST /effective-policies principal:filled cognitoIdentityPoolId:text ?thingName:name
GetPolicy GET /policies/{policyName} policyName:policy!
GetPolicyVersion GET /policies/{policyName}/version/{policyVersionId} policyName:policy! policyVersionId:digits!
ListAttachedPolicies POST /attached-policies/{target} target:filled! ?recursive:bool ?marker:text ?pageSize:page
ListPolicies GET /policies ?marker:text ?pageSize:page ?ascendingOrder=isAscendingOrder:bool
ListPolicyPrincipals GET /policy-principals @policyName=x-amzn-iot-policy:policy! ?marker:text ?pageSize:page ?ascendingOrder=isAscendingOrder:bool
ListPolicyVersions GET /policies/{policyName}/version policyName:policy!
ListPrincipalPolicies GET /principal-policies @principal=x-amzn-iot-principal:filled! ?marker:text ?pageSize:page ?ascendingOrder=isAscendingOrder:bool
ListTargetsForPolicy POST /policy-targets/{policyName} policyName:policy! ?marker:text ?pageSize:page
SetDefaultPolicyVersion PATCH /policies/{policyName}/version/{policyVersionId} policyName:policy! policyVersionId:digits!
TestAuthorization POST /test-authorization principal:filled cognitoIdentityPoolId:text authInfos:any! ?clientId:text policyNamesToAdd:list policyNamesToSkip:list

# Provisioning templates
CreateProvisioningClaim POST /provisioning-templates/{templateName}/provisioning-claim templateName:template!
CreateProvisioningTemplate POST /provisioning-templates templateName:template! description:about templateBody:body! enabled:bool provisioningRoleArn:role! preProvisioningHook:object type:templatetype
CreateProvisioningTemplateVersion POST /provisioning-templates/{templateName}/versions templateName:template! templateBody:body! ?setAsDefault:bool
DeleteProvisioningTemplate DELETE /provisioning-templates/{templateName} templateName:template!
DeleteProvisioningTemplateVersion DELETE /provisioning-templates/{templateName}/versions/{versionId} templateName:template! versionId:int!
DescribeProvisioningTemplate GET /provisioning-templates/{templateName} templateName:template!
DescribeProvisioningTemplateVersion GET /provisioning-templates/{templateName}/versions/{versionId} templateName:template! versionId:int!
ListProvisioningTemplateVersions GET /provisioning-templates/{templateName}/versions templateName:template! ?maxResults:page ?nextToken:text
ListProvisioningTemplates GET /provisioning-templates ?maxResults:page ?nextToken:text
RegisterThing POST /things templateBody:body! parameters:map
UpdateProvisioningTemplate PATCH /provisioning-templates/{templateName} templateName:template! description:about enabled:bool defaultVersionId:int provisioningRoleArn:role preProvisioningHook:object removePreProvisioningHook:bool

# Custom authorizers
ClearDefaultAuthorizer DELETE /default-authorizer
CreateAuthorizer POST /authorizer/{authorizerName} authorizerName:authorizer! authorizerFunctionArn:text! tokenKeyName:key tokenSigningPublicKeys:map status:onoff signingDisabled:bool enableCachingForHttp:bool
DeleteAuthorizer DELETE /authorizer/{authorizerName} authorizerName:authorizer!
DescribeAuthorizer GET /authorizer/{authorizerName} authorizerName:authorizer!
DescribeDefaultAuthorizer GET /default-authorizer
ListAuthorizers GET /authorizers/ ?pageSize:page ?marker:text ?ascendingOrder=isAscendingOrder:bool ?status:onoff
SetDefaultAuthorizer POST /default-authorizer authorizerName:authorizer!
TestInvokeAuthorizer POST /authorizer/{authorizerName}/test authorizerName:authorizer! token:secret tokenSignature:signature httpContext:object mqttContext:object tlsContext:object
UpdateAuthorizer PUT /authorizer/{authorizerName} authorizerName:authorizer! authorizerFunctionArn:text tokenKeyName:key tokenSigningPublicKeys:map status:onoff enableCachingForHttp:bool

# Topic rules
CreateTopicRule POST /rules/{ruleName} ruleName:rule! *topicRulePayload:object! @tags=x-amz-tagging:text
DeleteTopicRule DELETE /rules/{ruleName} ruleName:rule!
DisableTopicRule POST /rules/{ruleName}/disable ruleName:rule!
EnableTopicRule POST /rules/{ruleName}/enable ruleName:rule!
GetTopicRule GET /rules/{ruleName} ruleName:rule!
ListTopicRules GET /rules ?topic:text ?maxResults:bigpage ?nextToken:text ?ruleDisabled:bool
ReplaceTopicRule PATCH /rules/{ruleName} ruleName:rule! *topicRulePayload:object!

# Jobs
AssociateTargetsWithJob POST /jobs/{jobId}/targets targets:list! jobId:job! comment:comment ?namespaceId:text
CancelJob PUT /jobs/{jobId}/cancel jobId:job! reasonCode:reason comment:comment ?force:bool
CancelJobExecution PUT /things/{thingName}/jobs/{jobId}/cancel jobId:job! thingName:name! ?force:bool expectedVersion:int statusDetails:map
CreateJob PUT /jobs/{jobId} jobId:job! targets:list! documentSource:source document:jobdocument description:comment presignedUrlConfig:object targetSelection:selection jobExecutionsRolloutConfig:object abortConfig:object timeoutConfig:object namespaceId:text jobTemplateArn:text jobExecutionsRetryConfig:object documentParameters:object schedulingConfig:object
DeleteJob DELETE /jobs/{jobId} jobId:job! ?force:bool ?namespaceId:text
DeleteJobExecution DELETE /things/{thingName}/jobs/{jobId}/executionNumber/{executionNumber} jobId:job! thingName:name! executionNumber:int! ?force:bool ?namespaceId:text
DescribeJob GET /jobs/{jobId} jobId:job!
DescribeJobExecution GET /things/{thingName}/jobs/{jobId} jobId:job! thingName:name! ?executionNumber:int
GetJobDocument GET /jobs/{jobId}/job-document jobId:job!
ListJobExecutionsForJob GET /jobs/{jobId}/things jobId:job! ?status:execution ?maxResults:page ?nextToken:text
ListJobExecutionsForThing GET /things/{thingName}/jobs thingName:name! ?status:execution ?namespaceId:text ?maxResults:page ?nextToken:text ?jobId:job
ListJobs GET /jobs ?status:jobstatus ?targetSelection:selection ?maxResults:page ?nextToken:text ?thingGroupName:name ?thingGroupId:text ?namespaceId:text
UpdateJob PATCH /jobs/{jobId} jobId:job! description:comment presignedUrlConfig:object jobExecutionsRolloutConfig:object abortConfig:object timeoutConfig:object ?namespaceId:text jobExecutionsRetryConfig:object

# The account
DescribeEndpoint GET /endpoint ?endpointType:endpoint
`
