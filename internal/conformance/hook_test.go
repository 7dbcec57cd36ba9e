package conformance

import (
	"context"

	"github.com/portage-iot/awsiot/iotlocal"
)

// refuseAll is a pre-provisioning hook that lets nobody in.
func refuseAll(context.Context, iotlocal.HookRequest) (iotlocal.HookResponse, error) {
	return iotlocal.HookResponse{AllowProvisioning: false}, nil
}
