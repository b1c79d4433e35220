//! The format of a policy file, as it is written.
//!
//! Only what a policy can say stands here; what it means stands in [`evaluate`](super::evaluate). The JSON Schema is made
//! from these types, so field docs are what an editor shows.

use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::StrDeserializer;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use super::{Provenance, Severity};
use crate::detect::{Confidence, Reversibility, Verb};
use crate::event::Action;

/// A holdfire policy.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "holdfire policy")]
pub(super) struct PolicyFile {
    /// What screens and findings call it.
    #[schemars(with = "String")]
    pub(super) name: Spanned<String>,
    /// Asked one by one; the strictest that applies decides.
    #[serde(default)]
    pub(super) rules: Vec<RuleFile>,
    /// Operations whose treatment does not depend on circumstances.
    #[serde(default)]
    pub(super) operations: Operations,
    /// Credentials that count as given to every session.
    #[serde(default)]
    pub(super) grants: Vec<GrantFile>,
    /// What happens to actions that wait for a human.
    #[serde(default)]
    pub(super) hold: HoldFile,
}

/// One rule.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleFile {
    /// Its name: `destroy.irreversible`. No other rule has it.
    #[schemars(with = "String")]
    pub(super) id: Spanned<String>,
    /// The sentence a finding begins with. May hold {object}, {an_object}, {verb}, {operation}, {provider}, {target}, {host}.
    #[schemars(with = "String")]
    pub(super) title: Spanned<String>,
    /// All conditions must hold.
    pub(super) when: When,
    /// How bad it is.
    pub(super) severity: Severity,
    /// What to do.
    pub(super) action: Action,
}

/// Conditions. All that are given must hold; a list holds if any of its values does.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct When {
    /// What the action would do.
    pub(super) effect: Option<EffectWhen>,
    /// The credential the request carries.
    pub(super) credential: Option<CredentialWhen>,
    /// The request and where it goes.
    pub(super) request: Option<RequestWhen>,
    /// The session so far.
    pub(super) session: Option<SessionWhen>,
    /// Whether part of the action could not be read.
    pub(super) blind: Option<bool>,
    /// Why the traffic of a whole connection could not be read: `http2`, `lost-bytes`; `*` stands for anything.
    pub(super) unread: Option<AnyOf<String>>,
}

/// Conditions on what the action would do.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EffectWhen {
    /// The kind of harm.
    pub(super) verb: Option<AnyOf<Verb>>,
    /// How it can be undone: S4 not at all, S3 from a separate backup, S2 for a while, S1 it can be made again, G it removes a protection.
    pub(super) reversibility: Option<AnyOf<Reversibility>>,
    /// How sure the catalogue is.
    pub(super) confidence: Option<AnyOf<Confidence>>,
    /// The provider, or `unknown`.
    pub(super) provider: Option<AnyOf<String>>,
    /// `provider:operation`; `*` stands for anything.
    pub(super) operation: Option<AnyOf<String>>,
    /// What is hit: `volume`; `*` stands for anything.
    pub(super) object: Option<AnyOf<String>>,
}

/// Conditions on the credential.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CredentialWhen {
    /// Where the session has it from.
    pub(super) provenance: Option<AnyOf<Provenance>>,
    /// What it looks like: `railway-token`.
    pub(super) kind: Option<AnyOf<String>>,
    /// The name it stood under: `RAILWAY_*`.
    pub(super) name: Option<AnyOf<String>>,
}

/// Conditions on the request.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RequestWhen {
    /// The host or the server name of the connection; `*.example.com` stands for all names under it.
    pub(super) host: Option<AnyOf<String>>,
    /// The HTTP method.
    pub(super) method: Option<AnyOf<String>>,
    /// How far away it goes.
    pub(super) destination: Option<AnyOf<Destination>>,
    /// Whether it goes to a provider of the catalogue.
    pub(super) known_provider: Option<bool>,
}

/// How far away a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// This machine.
    Loopback,
    /// An address that is not routed on the internet, under a name that is not public either.
    Private,
    /// Anything else, and whatever is not known.
    Public,
}

/// Conditions on the session.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SessionWhen {
    /// It has met a credential it was not given.
    pub(super) tainted: Option<bool>,
}

/// Operations whose treatment does not depend on circumstances, as `provider:operation`; `*` stands for anything.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Operations {
    /// Denied: a session may propose them to a human, not do them.
    pub(super) propose_only: Vec<OperationName>,
    /// Held until a human approves.
    pub(super) needs_approval: Vec<OperationName>,
    /// Allowed: rules about effects do not apply to them. The two lists above do.
    pub(super) free: Vec<OperationName>,
}

/// An entry of such a list.
pub(super) type OperationName = SpannedName;

/// A text and its place in the file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct SpannedName(#[schemars(with = "String")] pub(super) Spanned<String>);

/// A credential that counts as given: by its fingerprint, or by the name it stands under in a file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantFile {
    /// As holdfire shows it: `fp:9c1e8a04`, or more of its digits.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) fingerprint: Option<Spanned<String>>,
    /// The name it stands under.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) name: Option<Spanned<String>>,
    /// The file it stands in, with its full path.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) file: Option<Spanned<String>>,
}

/// What happens to actions that wait for a human.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HoldFile {
    /// How long: `5m`, `30s`, `1h`.
    #[schemars(with = "Option<String>")]
    pub(super) timeout: Option<Spanned<String>>,
    /// What then.
    pub(super) on_timeout: Option<OnTimeout>,
    /// What becomes of held connections if holdfire itself ends.
    pub(super) on_monitor_exit: Option<OnMonitorExit>,
}

/// What happens to an action nobody decided about in time. Letting it go is not on offer: then waiting would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnTimeout {
    #[default]
    Deny,
}

/// What becomes of held connections if holdfire itself ends, strictest last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnMonitorExit {
    /// They go on: availability before safety.
    Released,
    /// They stay dead.
    #[default]
    Held,
}

/// One value or a list of them; any of them will do.
#[derive(Clone, Debug)]
pub(super) struct AnyOf<T>(pub(super) Vec<T>);

// By hand: serde's `untagged` would report "matched no variant", without place or suggestion.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for AnyOf<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMany<T> {
            type Value = AnyOf<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value or a list of values")
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
                T::deserialize(StrDeserializer::new(value)).map(|one| AnyOf(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = list.next_element()? {
                    values.push(value);
                }
                Ok(AnyOf(values))
            }
        }

        deserializer.deserialize_any(OneOrMany(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for AnyOf<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("AnyOf_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}
