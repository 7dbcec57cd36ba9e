package iotlocal

import (
	"cmp"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/iotlocal/internal/control"
	"github.com/portage-iot/awsiot/iotlocal/internal/registry"
	"github.com/portage-iot/awsiot/iotlocal/internal/rest"
)

func (a *controlAPI) groupHandlers() map[string]control.Handler {
	return map[string]control.Handler{
		"CreateThingGroup": a.createThingGroup, "DescribeThingGroup": a.describeThingGroup, "UpdateThingGroup": a.updateThingGroup,
		"DeleteThingGroup": a.deleteThingGroup, "ListThingGroups": a.listThingGroups, "AddThingToThingGroup": a.changeThingGroup,
		"RemoveThingFromThingGroup": a.changeThingGroup, "UpdateThingGroupsForThing": a.updateThingGroupsForThing,
		"ListThingGroupsForThing": a.listThingGroupsForThing, "ListThingsInThingGroup": a.listThingsInThingGroup,
	}
}

// groupProperties is the shape ThingGroupProperties.
type groupProperties struct {
	Description      *string           `json:"thingGroupDescription,omitempty"`
	AttributePayload *attributePayload `json:"attributePayload,omitempty"`
}

// groupProperties reads and checks the properties of a call.
func readGroup(c *control.Call) (description *string, attributes attributePayload, err error) {
	var p groupProperties
	if err := c.Decode("thingGroupProperties", &p); err != nil {
		return nil, attributes, err
	}
	if p.Description != nil {
		if err := checkDescription(*p.Description); err != nil {
			return nil, attributes, err
		}
	}
	if p.AttributePayload != nil {
		attributes = *p.AttributePayload
	}
	return p.Description, attributes, attributes.check()
}

func (a *controlAPI) createThingGroup(c *control.Call) (any, error) {
	description, attributes, err := readGroup(c)
	if err != nil {
		return nil, err
	}
	g := registry.Group{Name: c.Text("thingGroupName"), Parent: c.Text("parentGroupName"), Attributes: attributes.Attributes}
	if description != nil {
		g.Description = *description
	}
	if g, err = a.s.registry.CreateGroup(g, a.s.clock.Now()); err != nil {
		return nil, refusal(c, err)
	}
	return map[string]string{"thingGroupName": g.Name, "thingGroupArn": groupARN(c, g.Name), "thingGroupId": g.ID}, nil
}

func groupARN(c *control.Call, name string) string { return c.ARN(registry.GroupTarget(name)) }

// nameAndARN is the shape GroupNameAndArn.
type nameAndARN struct {
	Name string `json:"groupName"`
	ARN  string `json:"groupArn"`
}

func showGroup(c *control.Call) func(string) nameAndARN {
	return func(name string) nameAndARN { return nameAndARN{name, groupARN(c, name)} }
}

func (a *controlAPI) describeThingGroup(c *control.Call) (any, error) {
	name := c.Text("thingGroupName")
	g, ok := a.s.registry.Group(name)
	if !ok {
		return nil, rest.NotFound("Thing group %s not found", name)
	}
	meta := map[string]any{"creationDate": g.CreatedAt.Unix()}
	if parents := a.s.registry.Parents(name); len(parents) > 0 {
		var path []nameAndARN
		for _, p := range parents {
			path = append(path, showGroup(c)(p.Name))
		}
		meta["parentGroupName"], meta["rootToParentThingGroups"] = g.Parent, path
	}
	p := groupProperties{AttributePayload: &attributePayload{Attributes: orEmpty(g.Attributes)}}
	if g.Description != "" {
		p.Description = &g.Description
	}
	return map[string]any{"thingGroupName": name, "thingGroupId": g.ID, "thingGroupArn": groupARN(c, name), "version": g.Version,
		"thingGroupProperties": p, "thingGroupMetadata": meta}, nil
}

func (a *controlAPI) updateThingGroup(c *control.Call) (any, error) {
	description, attributes, err := readGroup(c)
	if err != nil {
		return nil, err
	}
	version, err := a.s.registry.UpdateGroup(c.Text("thingGroupName"), registry.GroupChange{Description: description, Attributes: attributes.Attributes,
		Merge: attributes.Merge, Expected: c.Int("expectedVersion", 0)})
	if err != nil {
		return nil, refusal(c, err)
	}
	return map[string]int64{"version": version}, nil
}

func (a *controlAPI) deleteThingGroup(c *control.Call) (any, error) {
	return empty{}, refusal(c, a.s.registry.DeleteGroup(c.Text("thingGroupName"), c.Int("expectedVersion", 0)))
}

func (a *controlAPI) listThingGroups(c *control.Call) (any, error) {
	parent, below := c.Text("parentGroup"), c.Bool("recursive", true)
	if parent != "" {
		if _, ok := a.s.registry.Group(parent); !ok {
			return nil, rest.NotFound("Thing group %s not found", parent)
		}
	}
	var names []string
	for _, g := range a.s.registry.Groups() {
		if !strings.HasPrefix(g.Name, c.Text("namePrefixFilter")) {
			continue
		}
		above := a.s.registry.Parents(g.Name)
		switch {
		case parent == "" && (below || len(above) == 0), parent != "" && g.Parent == parent,
			parent != "" && below && slices.ContainsFunc(above, func(p registry.Group) bool { return p.Name == parent }):
			names = append(names, g.Name)
		}
	}
	return pageOfNames(c, control.ByToken, "thingGroups", false, names, showGroup(c))
}

// named returns a name that a call gives directly or by an ARN.
func named(c *control.Call, nameField, arnField, prefix string) (string, error) {
	name, arn := c.Text(nameField), c.Text(arnField)
	if arn == "" {
		if name == "" {
			return "", rest.Invalid("one of %s and %s must be given", nameField, arnField)
		}
		return name, nil
	}
	resource, _ := control.Resource(arn)
	inARN, ok := strings.CutPrefix(resource, prefix)
	if !ok || name != "" && name != inARN {
		return "", rest.Invalid("%s %.200q is not that of a %s", arnField, arn, cmp.Or(name, strings.TrimSuffix(prefix, "/")))
	}
	return inARN, nil
}

// changeThingGroup is AddThingToThingGroup and RemoveThingFromThingGroup.
func (a *controlAPI) changeThingGroup(c *control.Call) (any, error) {
	group, err := named(c, "thingGroupName", "thingGroupArn", "thinggroup/")
	if err != nil {
		return nil, err
	}
	thing, err := named(c, "thingName", "thingArn", "thing/")
	if err != nil {
		return nil, err
	}
	if c.Operation == "AddThingToThingGroup" {
		return empty{}, refusal(c, a.s.registry.ChangeGroups(thing, []string{group}, nil))
	}
	return empty{}, refusal(c, a.s.registry.ChangeGroups(thing, nil, []string{group}))
}

func (a *controlAPI) updateThingGroupsForThing(c *control.Call) (any, error) {
	if c.Text("thingName") == "" {
		return nil, rest.Invalid("thingName must be given")
	}
	return empty{}, refusal(c, a.s.registry.ChangeGroups(c.Text("thingName"), c.List("thingGroupsToAdd"), c.List("thingGroupsToRemove")))
}

func (a *controlAPI) listThingGroupsForThing(c *control.Call) (any, error) {
	name := c.Text("thingName")
	if _, ok := a.s.registry.Thing(name); !ok {
		return nil, rest.NotFound("Thing %s not found", name)
	}
	return pageOfNames(c, control.ByToken, "thingGroups", false, a.s.registry.GroupsOf(name), showGroup(c))
}

func (a *controlAPI) listThingsInThingGroup(c *control.Call) (any, error) {
	names, ok := a.s.registry.ThingsInGroup(c.Text("thingGroupName"), c.Bool("recursive", false))
	if !ok {
		return nil, rest.NotFound("Thing group %s not found", c.Text("thingGroupName"))
	}
	return pageOfNames(c, control.ByToken, "things", false, names, func(s string) string { return s })
}
