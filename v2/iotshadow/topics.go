package iotshadow

import "github.com/portage-iot/awsiot/internal/topic"

// The topics of the service, for code that subscribes by itself. shadow is the name of a named shadow, or "" for the classic one.
// Names are not checked.

// TopicGet returns the topic on which a shadow is asked for.
func TopicGet(thing, shadow string) string { return at(thing, shadow).Request(topic.ShadowGet) }

// TopicGetAccepted returns the topic of the answers to TopicGet.
func TopicGetAccepted(thing, shadow string) string {
	return at(thing, shadow).Accepted(topic.ShadowGet)
}

// TopicGetRejected returns the topic of the refusals of TopicGet.
func TopicGetRejected(thing, shadow string) string {
	return at(thing, shadow).Rejected(topic.ShadowGet)
}

// TopicUpdate returns the topic on which a shadow is changed.
func TopicUpdate(thing, shadow string) string { return at(thing, shadow).Request(topic.ShadowUpdate) }

// TopicUpdateAccepted returns the topic of the answers to TopicUpdate.
func TopicUpdateAccepted(thing, shadow string) string {
	return at(thing, shadow).Accepted(topic.ShadowUpdate)
}

// TopicUpdateRejected returns the topic of the refusals of TopicUpdate.
func TopicUpdateRejected(thing, shadow string) string {
	return at(thing, shadow).Rejected(topic.ShadowUpdate)
}

// TopicDelete returns the topic on which a shadow is deleted.
func TopicDelete(thing, shadow string) string { return at(thing, shadow).Request(topic.ShadowDelete) }

// TopicDeleteAccepted returns the topic of the answers to TopicDelete.
func TopicDeleteAccepted(thing, shadow string) string {
	return at(thing, shadow).Accepted(topic.ShadowDelete)
}

// TopicDeleteRejected returns the topic of the refusals of TopicDelete.
func TopicDeleteRejected(thing, shadow string) string {
	return at(thing, shadow).Rejected(topic.ShadowDelete)
}

// TopicDelta returns the topic of ShadowDeltaUpdatedEvent.
func TopicDelta(thing, shadow string) string { return at(thing, shadow).Delta() }

// TopicDocuments returns the topic of ShadowUpdatedEvent.
func TopicDocuments(thing, shadow string) string { return at(thing, shadow).Documents() }

func at(thing, shadow string) topic.Shadow { return topic.Shadow{Thing: thing, Name: shadow} }
