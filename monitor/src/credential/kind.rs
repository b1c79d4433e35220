//! What a value looks like: the vocabulary of [`Sighting::kind`](crate::event::Sighting::kind).
//!
//! Bias: a kind only names. Which values are taken as credentials is decided in `judge`, so a format missing
//! here costs a better word in an alert and no detection.

use std::fmt;
use std::sync::LazyLock;

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    AnthropicKey,
    AwsAccessKeyId,
    AwsSecretKey,
    CloudflareToken,
    DatabricksToken,
    DigitaloceanToken,
    FlyToken,
    GithubToken,
    GitlabToken,
    GoogleKey,
    HerokuKey,
    HuggingfaceToken,
    Jwt,
    LinearKey,
    NeonKey,
    NetlifyToken,
    NpmToken,
    OpenaiKey,
    PlanetscaleToken,
    PrivateKey,
    PypiToken,
    RailwayToken,
    RenderKey,
    SendgridKey,
    ShopifyToken,
    SlackToken,
    StripeKey,
    SupabaseKey,
    TerraformToken,
    VaultToken,
    VercelToken,
    /// The password part of a URL.
    UrlPassword,
    /// Sent as `Authorization: Basic`: user and password, or the password alone.
    BasicAuth,
    /// Nothing is known of the value, but its name says that it is a secret.
    NamedSecret,
    /// Words or a short text under a name that says that it is a secret: a passphrase, or a setting of that name
    /// (`passwd: files systemd`).
    NamedWords,
    /// Long and random, under a name that says nothing: may be a credential.
    Opaque,
    /// Long and random, under a name that says it names something (`volume_id`): may still be a credential,
    /// but hiding it would hide the target of an action.
    Identifier,
    /// Given to the session, and nothing about it looks like a credential.
    Text,
}

/// Kind, its name, how its values begin, and the words of a variable's name that mean it.
struct Row(Kind, &'static str, &'static [&'static str], &'static [&'static str]);

/// Order matters where one prefix begins another (`sk-ant-` before `sk-`).
#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row(Kind::AnthropicKey, "anthropic-key", &["sk-ant-"], &["anthropic", "claude"]),
    Row(Kind::AwsAccessKeyId, "aws-access-key-id", &["AKIA", "ASIA"], &[]),
    Row(Kind::AwsSecretKey, "aws-secret-key", &[], &["aws"]),
    Row(Kind::CloudflareToken, "cloudflare-token", &["cfut_", "cfat_"], &["cloudflare", "cf"]),
    Row(Kind::DatabricksToken, "databricks-token", &["dapi"], &["databricks"]),
    Row(Kind::DigitaloceanToken, "digitalocean-token", &["dop_v1_", "doo_v1_", "dor_v1_"], &["digitalocean"]),
    Row(Kind::FlyToken, "fly-token", &["fm1_", "fm2_", "fm1r_", "fm1a_", "fo1_"], &["fly"]),
    Row(Kind::GithubToken, "github-token", &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"], &["github", "gh"]),
    Row(Kind::GitlabToken, "gitlab-token", &["glpat-", "gloas-", "gldt-", "glrt-", "glcbt-", "glptt-"], &["gitlab"]),
    Row(Kind::GoogleKey, "google-key", &["AIza", "ya29.", "GOCSPX-"], &["google", "gcp", "gemini"]),
    Row(Kind::HerokuKey, "heroku-key", &["HRKU-"], &["heroku"]),
    Row(Kind::HuggingfaceToken, "huggingface-token", &["hf_"], &["huggingface", "hf"]),
    Row(Kind::Jwt, "jwt", &["eyJ"], &["jwt"]),
    Row(Kind::LinearKey, "linear-key", &["lin_api_", "lin_oauth_"], &["linear"]),
    Row(Kind::NeonKey, "neon-key", &["napi_"], &["neon"]),
    Row(Kind::NetlifyToken, "netlify-token", &["nfp_", "nfc_", "nfo_"], &["netlify"]),
    Row(Kind::NpmToken, "npm-token", &["npm_"], &["npm"]),
    Row(Kind::OpenaiKey, "openai-key", &["sk-proj-", "sk-svcacct-", "sk-"], &["openai"]),
    Row(Kind::PlanetscaleToken, "planetscale-token", &["pscale_tkn_", "pscale_pw_", "pscale_oauth_"], &["planetscale", "pscale"]),
    Row(Kind::PrivateKey, "private-key", &["-----BEGIN "], &[]),
    Row(Kind::PypiToken, "pypi-token", &["pypi-"], &["pypi", "twine"]),
    Row(Kind::RailwayToken, "railway-token", &[], &["railway"]),
    Row(Kind::RenderKey, "render-key", &["rnd_"], &["render"]),
    Row(Kind::SendgridKey, "sendgrid-key", &["SG."], &["sendgrid"]),
    Row(Kind::ShopifyToken, "shopify-token", &["shpat_", "shpca_", "shppa_", "shpss_"], &["shopify"]),
    Row(Kind::SlackToken, "slack-token", &["xoxa-", "xoxb-", "xoxp-", "xoxr-", "xoxs-", "xoxe.", "xapp-"], &["slack"]),
    Row(Kind::StripeKey, "stripe-key", &["sk_live_", "rk_live_", "sk_test_", "rk_test_", "whsec_"], &["stripe"]),
    Row(Kind::SupabaseKey, "supabase-key", &["sbp_", "sb_secret_"], &["supabase"]),
    Row(Kind::TerraformToken, "terraform-token", &[], &["tfe", "terraform"]),
    Row(Kind::VaultToken, "vault-token", &["hvs.", "hvb.", "hvr."], &["vault"]),
    Row(Kind::VercelToken, "vercel-token", &["vcp_", "vca_", "vck_"], &["vercel"]),
    Row(Kind::UrlPassword, "url-password", &[], &[]),
    Row(Kind::BasicAuth, "basic-auth", &[], &[]),
    Row(Kind::NamedSecret, "named-secret", &[], &[]),
    Row(Kind::NamedWords, "named-words", &[], &[]),
    Row(Kind::Opaque, "opaque", &[], &[]),
    Row(Kind::Identifier, "identifier", &[], &[]),
    Row(Kind::Text, "text", &[], &[]),
];

/// The shortest value taken for a token because of its prefix: AWS access-key ids, the shortest of them, have
/// 20 characters. Below it `npm_install` and `sk-button` would count.
const PREFIXED_MIN: usize = 20;

/// Which two bytes a known prefix begins with, one bit each: most words in a text fail here.
static BEGINNINGS: LazyLock<[u64; 1024]> = LazyLock::new(|| {
    let mut bits = [0; 1024];
    for prefix in ROWS.iter().flat_map(|row| row.2) {
        let pair = pair(prefix.as_bytes());
        bits[pair / 64] |= 1 << (pair % 64);
    }
    bits
});

fn pair(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

impl Kind {
    /// The name used in events: `railway-token`.
    pub fn as_str(self) -> &'static str {
        ROWS.iter().find(|row| row.0 == self).map_or("opaque", |row| row.1)
    }

    /// The kind with this name, if there is one in this version.
    pub fn of_name(name: &str) -> Option<Self> {
        ROWS.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// The kind whose values begin like `value`, if `value` has the length and the characters of a token.
    pub(super) fn of_value(value: &[u8]) -> Option<Self> {
        if value.starts_with(b"-----BEGIN ") {
            return memchr::memmem::find(&value[..value.len().min(64)], b"PRIVATE KEY")
                .map(|_| Self::PrivateKey);
        }
        if value.len() < PREFIXED_MIN || BEGINNINGS[pair(value) / 64] >> (pair(value) % 64) & 1 == 0 {
            return None;
        }
        let (kind, prefix) = ROWS
            .iter()
            .flat_map(|row| row.2.iter().map(move |prefix| (row.0, *prefix)))
            .find(|(_, prefix)| value.starts_with(prefix.as_bytes()))?;
        let rest = &value[prefix.len()..];
        let of_token = rest.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.~+/=%".contains(b));
        let plausible = match kind {
            Self::AwsAccessKeyId => rest.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()),
            // Both begin like ordinary words, and only a digit tells `sk-learn-contrib-pipelines` from a key.
            Self::OpenaiKey
            | Self::NpmToken
            | Self::HuggingfaceToken
            | Self::PypiToken
            | Self::DatabricksToken => rest.iter().any(u8::is_ascii_digit),
            Self::Jwt => rest.contains(&b'.'),
            _ => true,
        };
        (of_token && plausible).then_some(kind)
    }

    /// The kind a name's words point to: `["railway", "token"]`.
    pub(super) fn of_words<'a>(words: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut found = None;
        for word in words {
            found = found.or_else(|| ROWS.iter().find(|row| row.3.contains(&word)).map(|row| row.0));
        }
        found
    }

    /// Whether a value of this kind may be replaced wherever it stands. An identifier may not: it is what an
    /// action is about. Plain text may not: it is a path or a word.
    pub fn hides(self) -> bool {
        !matches!(self, Self::Identifier | Self::Text)
    }

    /// Whether meeting such a value makes a session suspicious. One that only may be a credential does not: every
    /// session reads some, in system files and lock files.
    pub fn taints(self) -> bool {
        self.hides() && !matches!(self, Self::Opaque | Self::NamedWords)
    }

    /// How sure it is that the value is a credential, from 0; higher is kept first.
    pub(super) fn rank(self) -> u8 {
        match self {
            Self::Text => 0,
            Self::Identifier => 1,
            Self::Opaque | Self::NamedWords => 2,
            Self::NamedSecret | Self::BasicAuth | Self::UrlPassword => 3,
            _ => 4,
        }
    }

    /// Whether name or form say that it is a credential.
    pub(super) fn is_strong(self) -> bool {
        self.rank() > Self::Opaque.rank()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_name_the_issuer() {
        let check = |value: &str, expect: Option<&str>| {
            assert_eq!(Kind::of_value(value.as_bytes()).map(Kind::as_str), expect, "{value}");
        };
        check("ghp_16C7e42F292c6912E7710c838347Ae178B4a", Some("github-token"));
        check("sk-ant-api03-AbCdEf0123456789", Some("anthropic-key"));
        check("sk-proj-AbCdEf0123456789xyz", Some("openai-key"));
        check("AKIAIOSFODNN7ABCDEFG", Some("aws-access-key-id"));
        check("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", Some("jwt"));
        check("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl", Some("private-key"));
        check("-----BEGIN CERTIFICATE-----\nMIIB", None);
        check("sk-learn-contrib-pipelines", None);
        check("AKIA is how access keys begin", None);
        check("3d2c1f9e-7a64-4d1e-9f25-0c6c1d2b7a55", None);
    }

    #[test]
    fn every_kind_has_one_row() {
        for (at, row) in ROWS.iter().enumerate() {
            assert_eq!(row.0.as_str(), row.1);
            assert_eq!(Kind::of_name(row.1), Some(row.0));
            assert!(ROWS[at + 1..].iter().all(|other| other.1 != row.1), "{}", row.1);
        }
    }
}
