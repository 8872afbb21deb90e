//! Where Graph and its token endpoint are, and which URLs belong to them.
//!
//! Knows URLs. Must not know tokens; what it refuses ([`Endpoints::admit`]) never sees one.

use std::fmt::Write;
use std::str::FromStr;

use url::Url;

/// The part of every path that names the API's version. All of this client is written against v1.0.
const VERSION: &str = "v1.0";

/// A cloud of Microsoft's, by name (facts 9.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    /// `global`: everybody, GCC included.
    Global,
    /// `us-gov-l4`: GCC High.
    UsGovL4,
    /// `us-gov-l5`: the US Department of Defense.
    UsGovL5,
    /// `china`: 21Vianet. It has neither contact delta nor folder delta.
    China,
}

impl FromStr for Cloud {
    type Err = EndpointError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "global" => Ok(Self::Global),
            "us-gov-l4" => Ok(Self::UsGovL4),
            "us-gov-l5" => Ok(Self::UsGovL5),
            "china" => Ok(Self::China),
            _ => Err(EndpointError::UnknownCloud(name.to_owned())),
        }
    }
}

/// An endpoint that can't be used, found at configuration time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EndpointError {
    /// Not one of the names of [`Cloud`].
    #[error("`{0}` is none of global, us-gov-l4, us-gov-l5, china")]
    UnknownCloud(String),
    /// Not an absolute URL.
    #[error("`{url}` is not a URL")]
    NotAUrl {
        /// What was given.
        url: String,
        /// Why.
        source: url::ParseError,
    },
    /// A URL, but not one that can be an endpoint.
    #[error("`{0}` must be http or https, with a host, without user name, query or fragment")]
    Unfit(String),
}

/// Graph and the token endpoint that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// The version root, ending in a slash.
    graph: Url,
    /// The base of the token endpoints, ending in a slash.
    login: Url,
}

/// A link that is not below the version root of the configured Graph.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("a link leads away from the configured Graph endpoint")]
pub struct ForeignLink;

/// A part of a path that can't be one.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("an id is empty, `.` or `..`, so it can't be a part of a path")]
pub struct UnfitSegment;

impl Endpoints {
    /// The endpoints of a cloud.
    pub fn from_cloud(cloud: Cloud) -> Self {
        let (graph, login) = match cloud {
            Cloud::Global => ("graph.microsoft.com", "login.microsoftonline.com"),
            Cloud::UsGovL4 => ("graph.microsoft.us", "login.microsoftonline.us"),
            Cloud::UsGovL5 => ("dod-graph.microsoft.us", "login.microsoftonline.us"),
            Cloud::China => ("microsoftgraph.chinacloudapi.cn", "login.chinacloudapi.cn"),
        };
        Self::explicit(&format!("https://{graph}"), &format!("https://{login}"))
            .unwrap_or_else(|_| unreachable!("the hosts above are written as URLs need them"))
    }

    /// Endpoints by URL. `graph` with or without `/v1.0` at its end; both may have a path.
    pub fn explicit(graph: &str, login: &str) -> Result<Self, EndpointError> {
        let graph = graph.trim_end_matches('/');
        let graph = graph.strip_suffix(VERSION).unwrap_or(graph).trim_end_matches('/');
        Ok(Self {
            graph: base(&format!("{graph}/{VERSION}/"))?,
            login: base(&format!("{login}/"))?,
        })
    }

    /// True where one of the two is `http:`, as on a developer's machine.
    pub fn plain_http(&self) -> bool {
        [&self.graph, &self.login]
            .iter()
            .any(|url| url.scheme() == "http")
    }

    /// What a token is asked for: everything the app was granted at this Graph (facts 9.1).
    pub(crate) fn scope(&self) -> String {
        format!("{}/.default", self.graph.origin().ascii_serialization())
    }

    /// Where the tenant's tokens come from. The caller has checked the tenant.
    pub(crate) fn token_url(&self, tenant: &str) -> Result<Url, url::ParseError> {
        self.login.join(&format!("{tenant}/oauth2/v2.0/token"))
    }

    /// A path relative to the version root, as [`path`] makes them.
    pub(crate) fn below_root(&self, path: &str) -> Result<Url, url::ParseError> {
        self.graph.join(path)
    }

    /// Lets a link that Graph sent through, if it leads to the same Graph: same scheme, host and port, below the same
    /// version root. Anything else is refused, so that a token never goes there.
    pub fn admit(&self, link: &str) -> Result<Url, ForeignLink> {
        let mut url = Url::parse(link).map_err(|_| ForeignLink)?;
        let at_home = url.origin() == self.graph.origin()
            && url.path().starts_with(self.graph.path())
            && url.username().is_empty()
            && url.password().is_none();
        url.set_fragment(None);
        if at_home { Ok(url) } else { Err(ForeignLink) }
    }

    /// True where `location` names another origin than Graph's.
    pub(crate) fn is_foreign(&self, location: &str) -> bool {
        self.graph
            .join(location)
            .is_ok_and(|url| url.origin() != self.graph.origin())
    }
}

fn base(text: &str) -> Result<Url, EndpointError> {
    let mut url = Url::parse(text).map_err(|source| EndpointError::NotAUrl {
        url: text.to_owned(),
        source,
    })?;
    let fit = matches!(url.scheme(), "http" | "https")
        && url.host().is_some()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !fit {
        return Err(EndpointError::Unfit(text.to_owned()));
    }
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

/// A path relative to the version root. Each segment is percent-encoded: ids hold `=`, old ones `/` and `+`, guests'
/// names `#` (facts 8). `.` and `..` are refused, since URLs resolve them even when they are encoded.
pub(crate) fn path(segments: &[&str]) -> Result<String, UnfitSegment> {
    let mut path = String::new();
    for segment in segments {
        if matches!(*segment, "" | "." | "..") {
            return Err(UnfitSegment);
        }
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(&encode(segment));
    }
    Ok(path)
}

/// Percent-encodes a text, for a segment of a path or the value of a query option.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~$".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String can't fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cloud_has_its_own_scope() {
        let scope = |name: &str| Endpoints::from_cloud(name.parse().unwrap()).scope();
        assert_eq!(scope("global"), "https://graph.microsoft.com/.default");
        assert_eq!(scope("us-gov-l4"), "https://graph.microsoft.us/.default");
        assert_eq!(scope("us-gov-l5"), "https://dod-graph.microsoft.us/.default");
        assert_eq!(scope("china"), "https://microsoftgraph.chinacloudapi.cn/.default");
        assert_eq!(
            "mars".parse::<Cloud>(),
            Err(EndpointError::UnknownCloud("mars".to_owned()))
        );
    }

    #[test]
    fn explicit_endpoints_take_the_version_or_leave_it_and_refuse_what_is_none() {
        let local = Endpoints::explicit("http://127.0.0.1:8080", "http://127.0.0.1:8081").unwrap();
        assert_eq!(
            Endpoints::explicit("http://127.0.0.1:8080/v1.0/", "http://127.0.0.1:8081/").unwrap(),
            local
        );
        assert!(local.plain_http());
        assert_eq!(local.scope(), "http://127.0.0.1:8080/.default");
        assert_eq!(
            local.token_url("contoso.com").unwrap().as_str(),
            "http://127.0.0.1:8081/contoso.com/oauth2/v2.0/token"
        );
        for bad in [
            "",
            "graph",
            "ftp://graph",
            "https://a:b@graph",
            "https://graph?x=1",
        ] {
            assert!(Endpoints::explicit(bad, "https://login").is_err(), "{bad}");
        }
    }

    #[test]
    fn only_links_below_the_own_version_root_are_admitted() {
        let endpoints = Endpoints::from_cloud(Cloud::Global);
        let cases = [
            ("https://graph.microsoft.com/v1.0/users/u/contacts?$skip=10", true),
            ("https://graph.microsoft.com:443/v1.0/users", true),
            ("https://GRAPH.microsoft.com/v1.0/users", true),
            ("http://graph.microsoft.com/v1.0/users", false),
            ("https://graph.microsoft.com:8443/v1.0/users", false),
            ("https://graph.microsoft.com.evil.example/v1.0/users", false),
            ("https://evil.example\\@graph.microsoft.com/v1.0/users", false),
            ("https://graph.microsoft.com@evil.example/v1.0/users", false),
            ("https://someone@graph.microsoft.com/v1.0/users", false),
            ("https://graph.microsoft.com/beta/users", false),
            ("https://graph.microsoft.com/v1.0/../beta/users", false),
            ("https://graph.microsoft.com/v1.0/%2e%2e/beta/users", false),
            ("//evil.example/v1.0/", false),
            ("/v1.0/users", false),
            ("", false),
        ];
        for (link, admitted) in cases {
            assert_eq!(endpoints.admit(link).is_ok(), admitted, "{link}");
        }
    }

    #[test]
    fn a_path_encodes_ids_and_refuses_dots() {
        assert_eq!(
            path(&["users", "a#EXT#@b", "contacts", "A/+="]).unwrap(),
            "users/a%23EXT%23%40b/contacts/A%2F%2B%3D"
        );
        for bad in ["", ".", ".."] {
            assert_eq!(path(&["users", bad]), Err(UnfitSegment));
        }
    }
}
