package iotlocal

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/iotlocal/internal/control"
	"github.com/portage-iot/awsiot/iotlocal/internal/rest"
	"github.com/portage-iot/awsiot/iotlocal/rules"
)

func (a *controlAPI) ruleHandlers() map[string]control.Handler {
	return map[string]control.Handler{
		"CreateTopicRule": a.createTopicRule, "GetTopicRule": a.getTopicRule, "ReplaceTopicRule": a.replaceTopicRule, "DeleteTopicRule": a.deleteTopicRule,
		"ListTopicRules": a.listTopicRules, "EnableTopicRule": a.switchTopicRule, "DisableTopicRule": a.switchTopicRule,
	}
}

// rulePayload is the shape TopicRulePayload, and with the members of the first lines the shape TopicRule.
type rulePayload struct {
	Name        string           `json:"ruleName,omitempty"`
	CreatedAt   int64            `json:"createdAt,omitempty"`
	SQL         string           `json:"sql"`
	Description string           `json:"description,omitempty"`
	Actions     []map[string]any `json:"actions"`
	Disabled    bool             `json:"ruleDisabled"`
	SQLVersion  string           `json:"awsIotSqlVersion,omitempty"`
	ErrorAction map[string]any   `json:"errorAction,omitempty"`
}

// sqlVersion is the one that every rule is read as; that of 2015 differs in JSON's edges, and beta is what AWS changes.
const sqlVersion = "2016-03-23"

// The shapes of the actions that there are.
type (
	republishAction struct {
		RoleARN string `json:"roleArn,omitempty"`
		Topic   string `json:"topic"`
		QoS     *byte  `json:"qos,omitempty"`
		Headers *struct {
			ContentType string `json:"contentType,omitempty"`
		} `json:"headers,omitempty"`
	}
	httpAction struct {
		URL     string `json:"url"`
		Confirm string `json:"confirmationUrl,omitempty"` // nothing is confirmed here
		Headers []struct {
			Key   string `json:"key"`
			Value string `json:"value"`
		} `json:"headers,omitempty"`
	}
	lambdaAction struct {
		FunctionARN string `json:"functionArn"`
	}
)

// readAction reads one action of a rule.
func readAction(said map[string]any) (action RuleAction, err error) {
	if len(said) != 1 {
		return action, rest.Invalid("an action has one member, this one has %d: %s", len(said), strings.Join(slices.Sorted(maps.Keys(said)), ", "))
	}
	for kind, v := range said {
		text, err := json.Marshal(v)
		if err != nil {
			return action, err
		}
		into := func(v any) error {
			d := json.NewDecoder(bytes.NewReader(text))
			d.DisallowUnknownFields() // what is not done must not be taken
			if err := d.Decode(v); err != nil {
				return rest.Invalid("action %s: %v: this local endpoint does no more than topic, qos and contentType of republish, url and headers of http, functionArn of lambda", kind, err)
			}
			return nil
		}
		switch kind {
		case "republish":
			var r republishAction
			err = into(&r)
			action.Republish = &RepublishAction{Topic: r.Topic}
			if r.QoS != nil {
				action.Republish.QoS = *r.QoS
			}
			if r.Headers != nil {
				action.Republish.ContentType = r.Headers.ContentType
			}
			return action, err
		case "http":
			var h httpAction
			err = into(&h)
			action.URL = &URLAction{URL: h.URL, Header: http.Header{}}
			for _, e := range h.Headers {
				action.URL.Header.Set(e.Key, e.Value)
			}
			return action, err
		case "lambda":
			var l lambdaAction
			err = into(&l)
			if isURL(l.FunctionARN) {
				action.URL = &URLAction{URL: l.FunctionARN}
			} else if action.FunctionARN = l.FunctionARN; l.FunctionARN == "" {
				err = rest.Invalid("action lambda: functionArn must be given")
			}
			return action, err
		}
		return action, rest.Refuse(http.StatusNotImplemented, "NotImplementedException", "action %.100q is not available on this local endpoint: republish, http and lambda are", kind)
	}
	return action, nil
}

// shownAction is an action in the API's shape. A Go function that stands in the program has no name of its own.
func shownAction(c *control.Call, a RuleAction) map[string]any {
	switch {
	case a.Republish != nil:
		r := map[string]any{"topic": a.Republish.Topic, "qos": a.Republish.QoS, "roleArn": "arn:aws:iam::" + c.Account + ":role/local"}
		if a.Republish.ContentType != "" {
			r["headers"] = map[string]string{"contentType": a.Republish.ContentType}
		}
		return map[string]any{"republish": r}
	case a.URL != nil:
		headers := []map[string]string{}
		for _, k := range slices.Sorted(maps.Keys(a.URL.Header)) {
			headers = append(headers, map[string]string{"key": k, "value": a.URL.Header.Get(k)})
		}
		return map[string]any{"http": map[string]any{"url": a.URL.URL, "headers": headers}}
	case a.FunctionARN != "":
		return map[string]any{"lambda": map[string]string{"functionArn": a.FunctionARN}}
	}
	return map[string]any{"lambda": map[string]string{"functionArn": "arn:aws:lambda:" + c.Region + ":" + c.Account + ":function:go"}}
}

// readRule reads and checks the rule of a call.
func readRule(c *control.Call) (*compiledRule, error) {
	var p rulePayload
	if err := c.Decode("topicRulePayload", &p); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"", "2015-10-08", sqlVersion, "beta"}, p.SQLVersion) {
		return nil, rest.Invalid("awsIotSqlVersion %.50q is none of 2015-10-08, %s and beta", p.SQLVersion, sqlVersion)
	}
	r := TopicRule{Name: c.Text("ruleName"), SQL: p.SQL, Description: p.Description, Disabled: p.Disabled}
	for _, said := range p.Actions {
		action, err := readAction(said)
		if err != nil {
			return nil, err
		}
		r.Actions = append(r.Actions, action)
	}
	if p.ErrorAction != nil {
		action, err := readAction(p.ErrorAction)
		if err != nil {
			return nil, err
		}
		r.ErrorAction = &action
	}
	compiled, err := compileRule(r)
	if e, ok := errors.AsType[*rules.Error](err); ok {
		return nil, control.Refuse(control.SQLParse, "%v", e)
	} else if err != nil {
		return nil, rest.Invalid("%v", err)
	}
	return compiled, nil
}

// noRule is the refusal for a rule that is not there: AWS says that it may not be seen.
func noRule(c *control.Call) error {
	return control.Refuse(control.Unauthorized, "Access to topic rule '%s' was denied: there is none", c.Text("ruleName"))
}

// changeRule changes a rule that must be there.
func (a *controlAPI) changeRule(c *control.Call, f func(old *compiledRule) *compiledRule) error {
	return a.s.rules.change(c.Text("ruleName"), func(old *compiledRule) (*compiledRule, error) {
		if old == nil {
			return nil, noRule(c)
		}
		return f(old), nil
	})
}

func (a *controlAPI) createTopicRule(c *control.Call) (any, error) {
	r, err := readRule(c)
	if err != nil {
		return nil, err
	}
	r.created = a.s.clock.Now()
	return empty{}, a.s.rules.change(r.Name, func(old *compiledRule) (*compiledRule, error) {
		if old != nil {
			return nil, control.Exists(!old.hasFunction() && reflect.DeepEqual(old.TopicRule, r.TopicRule), r.Name, c.ARN("rule/"+r.Name), "Rule already exists: %s", r.Name)
		}
		return r, nil
	})
}

func (a *controlAPI) replaceTopicRule(c *control.Call) (any, error) {
	r, err := readRule(c)
	if err != nil {
		return nil, err
	}
	return empty{}, a.changeRule(c, func(old *compiledRule) *compiledRule {
		r.created = old.created
		return r
	})
}

// switchTopicRule is EnableTopicRule and DisableTopicRule.
func (a *controlAPI) switchTopicRule(c *control.Call) (any, error) {
	return empty{}, a.changeRule(c, func(old *compiledRule) *compiledRule {
		r := *old
		r.Disabled = c.Operation == "DisableTopicRule"
		return &r
	})
}

// deleteTopicRule deletes a rule, which need not be there.
func (a *controlAPI) deleteTopicRule(c *control.Call) (any, error) {
	_, err := a.s.rules.delete(c.Text("ruleName"))
	return empty{}, err
}

func (a *controlAPI) getTopicRule(c *control.Call) (any, error) {
	r := a.s.rules.get(c.Text("ruleName"))
	if r == nil {
		return nil, noRule(c)
	}
	p := rulePayload{Name: r.Name, CreatedAt: r.created.Unix(), SQL: r.SQL, Description: r.Description, Disabled: r.Disabled, SQLVersion: sqlVersion, Actions: []map[string]any{}}
	for _, action := range r.Actions {
		p.Actions = append(p.Actions, shownAction(c, action))
	}
	if r.ErrorAction != nil {
		p.ErrorAction = shownAction(c, *r.ErrorAction)
	}
	return map[string]any{"ruleArn": c.ARN("rule/" + r.Name), "rule": p}, nil
}

func (a *controlAPI) listTopicRules(c *control.Call) (any, error) {
	shown := map[string]map[string]any{}
	e := a.s.rules
	e.mu.Lock()
	for name, r := range e.rules.All() {
		if c.Has("topic") && r.statement.Filter() != c.Text("topic") || c.Has("ruleDisabled") && r.Disabled != c.Bool("ruleDisabled", false) {
			continue
		}
		shown[name] = map[string]any{"ruleArn": c.ARN("rule/" + name), "ruleName": name, "topicPattern": r.statement.Filter(), "createdAt": r.created.Unix(), "ruleDisabled": r.Disabled}
	}
	e.mu.Unlock()
	return pageOfNames(c, control.ByToken, "rules", false, slices.Collect(maps.Keys(shown)), func(name string) map[string]any { return shown[name] })
}
