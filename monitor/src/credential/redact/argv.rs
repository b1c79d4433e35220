//! Arguments: what follows a flag is known to be its value, which one string does not tell.

use super::Redactor;
use crate::credential::judge::is_placeholder;
use crate::credential::name::{self, Says};

/// What an argument says about the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Text,
    /// A secret as a whole.
    Secret,
    /// `user:password`.
    User,
    /// `Name: value`.
    Header,
}

/// Short flags that take a secret, by program: `-p` is a port or a path elsewhere.
const SHORT: &[(&str, &[&str])] = &[
    (
        "-p",
        &[
            "sshpass",
            "mysql",
            "mysqldump",
            "mysqladmin",
            "mariadb",
            "mariadb-dump",
            "docker login",
            "podman login",
            "mongo",
            "mongosh",
            "mongodump",
            "az",
            "cf",
            "helm",
            "htpasswd",
        ],
    ),
    ("-P", &["sqlcmd", "bcp", "ftp"]),
    ("-a", &["redis-cli", "http", "https", "xh"]),
    ("-w", &["ldapsearch", "ldapmodify", "ldapdelete"]),
    ("-b", &["curl"]),
    ("-t", &["fly", "flyctl", "vercel", "doctl"]),
];
/// Programs that take their password glued to the flag: `mysql -psecret`.
const GLUED: &[&str] = &["mysql", "mysqldump", "mysqladmin", "mariadb", "mariadb-dump", "sshpass"];

impl Redactor {
    /// Arguments with every secret in them replaced, as [`Redactor::text`] does, knowing which argument is a flag's value.
    pub fn argv(&self, argv: &[String]) -> Vec<String> {
        let mut next = Next::Text;
        let mut redacted = Vec::with_capacity(argv.len());
        for (at, argument) in argv.iter().enumerate() {
            // A flag that was taken for one with a value had none.
            let expected = if argument.starts_with("--") { Next::Text } else { next };
            redacted.push(match expected {
                Next::Text => self.argument(argument, &argv[..at]),
                Next::Secret => self.secret(argument),
                Next::User => self.user(argument),
                Next::Header => self.header(argument),
            });
            next = if expected == Next::Text { announces(argument, &argv[..at]) } else { Next::Text };
        }
        redacted
    }

    fn argument(&self, argument: &str, before: &[String]) -> String {
        if let Some(secret) = argument.strip_prefix("-p")
            && !secret.is_empty()
            && is_program(GLUED, before)
        {
            return format!("-p{}", self.secret(secret));
        }
        match argument.split_once('=') {
            Some(("--header", header)) => format!("--header={}", self.header(header)),
            Some(("--user" | "--proxy-user", user)) => format!("--user={}", self.user(user)),
            // `--token=X`, `TOKEN=X`; a shell line may begin like one and goes on.
            Some((name, value)) if is_name(name) && !value.contains(char::is_whitespace) => {
                format!("{name}={}", self.field(name, value))
            }
            _ => self.text(argument),
        }
    }

    fn secret(&self, value: &str) -> String {
        if is_placeholder(value.as_bytes()) { value.to_owned() } else { self.hidden(value.as_bytes()) }
    }

    fn user(&self, pair: &str) -> String {
        match pair.split_once(':') {
            Some((user, password)) if !password.bytes().all(|b| b.is_ascii_digit()) => {
                format!("{user}:{}", self.secret(password))
            }
            _ => self.text(pair),
        }
    }

    fn header(&self, header: &str) -> String {
        match header.split_once(':') {
            Some((name, value)) => {
                let secret = value.trim_start();
                format!("{name}:{}{}", &value[..value.len() - secret.len()], self.field(name, secret))
            }
            None => self.text(header),
        }
    }
}

fn announces(argument: &str, before: &[String]) -> Next {
    match argument {
        "-H" | "--header" => Next::Header,
        "-u" | "-U" | "--user" | "--proxy-user" => Next::User,
        _ if SHORT.iter().any(|(flag, programs)| *flag == argument && is_program(programs, before)) => {
            Next::Secret
        }
        _ if argument.starts_with("--") && is_name(argument) => match name::judge(argument.as_bytes()).0 {
            Says::Secret => Next::Secret,
            _ => Next::Text,
        },
        _ => Next::Text,
    }
}

/// Whether one of the first arguments is one of these programs: `sudo`, `env` and the like stand before it.
fn is_program(programs: &[&str], before: &[String]) -> bool {
    /// Words before a program's name are few; looking further would take arguments for programs.
    const LEADING: usize = 4;
    before.iter().take(LEADING).enumerate().any(|(at, word)| {
        let word = word.rsplit('/').next().unwrap_or(word);
        programs.iter().any(|program| match program.split_once(' ') {
            Some((program, command)) => {
                program == word && before[at + 1..].iter().any(|word| word == command)
            }
            None => *program == word,
        })
    })
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::secret::Fingerprinter;

    fn redactor() -> Redactor {
        Redactor::new(Fingerprinter::new(&[7; 32]))
    }

    fn words(line: &str) -> Vec<String> {
        line.split('¦').map(|word| word.trim().to_owned()).collect()
    }

    #[test]
    fn flags_and_their_values() {
        // The word `hush1` is the secret and nothing else may change.
        let check = |line: &str| {
            let hidden = redactor().hidden(b"hush1");
            let expect: Vec<String> = words(line).iter().map(|word| word.replace("hush1", &hidden)).collect();
            assert_eq!(redactor().argv(&words(line)), expect, "{line}");
        };
        for line in [
            "gh ¦ auth ¦ login ¦ --token ¦ hush1",
            "x ¦ --api-key=hush1 ¦ y",
            "curl ¦ -H ¦ Authorization: Bearer hush1 ¦ https://h",
            "curl ¦ -H ¦ X-Api-Key: hush1",
            "curl ¦ --header=X-Api-Key:hush1",
            "curl ¦ -u ¦ alice:hush1 ¦ h",
            "sudo ¦ mysql ¦ -phush1 ¦ db",
            "sshpass ¦ -p ¦ hush1 ¦ ssh ¦ -p ¦ 22 ¦ h",
            "/usr/bin/docker ¦ login ¦ -u ¦ bob ¦ -p ¦ hush1",
            "env ¦ TOKEN=hush1 ¦ make",
            "redis-cli ¦ -a ¦ hush1",
            "curl ¦ https://u:hush1@h/",
            "flyctl ¦ -t ¦ hush1",
        ] {
            check(line);
        }
    }

    #[test]
    fn arguments_without_secrets_are_unchanged() {
        for line in [
            "mkdir ¦ -p ¦ target/debug",
            "docker ¦ run ¦ -p ¦ 8080:80 ¦ -u ¦ 1000:1000 ¦ x",
            "ssh ¦ -p ¦ 2222 ¦ h",
            "ls ¦ -la",
            "docker ¦ login ¦ --password-stdin ¦ registry.example",
            "curl ¦ -H ¦ Content-Type: application/json ¦ h",
            "x ¦ --token ¦ --verbose",
            "gh ¦ --token ¦ $TOKEN",
            "railway ¦ volume ¦ delete ¦ 3d2c1f9e-7a64-4d1e-9f25-0c6c1d2b7a55",
            "git ¦ -c ¦ user.name=a",
            "",
        ] {
            assert_eq!(redactor().argv(&words(line)), words(line));
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_keeps_the_count(argv: Vec<String>) {
            prop_assert_eq!(redactor().argv(&argv).len(), argv.len());
        }

        #[test]
        fn no_known_secret_remains(secret in "[a-zA-Z0-9!#%^*(), ]{8,40}", at in 0usize..5) {
            prop_assume!(!is_placeholder(secret.as_bytes()));
            let mut redactor = redactor();
            redactor.learn(redactor.fingerprint(secret.as_bytes()));
            let mut argv = words("railway ¦ up ¦ --token ¦ -p ¦ x");
            argv.insert(at, secret.clone());
            prop_assert!(redactor.argv(&argv).iter().all(|argument| !argument.contains(&secret)));
        }
    }
}
